# A small C project: the programs of this project's own tests. make -f …/project.mk OUT=FOLDER
SOURCES := $(wildcard $(dir $(abspath $(lastword $(MAKEFILE_LIST))))../../tests/programs/*.c)

all: $(patsubst %.c,$(OUT)/%,$(notdir $(SOURCES)))

vpath %.c $(dir $(firstword $(SOURCES)))
$(OUT)/%: %.c | $(OUT)
	$(CC) -O1 -pthread -o $@ $<
$(OUT):
	mkdir -p $@
