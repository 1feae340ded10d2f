/* Passes a structure that no header describes to who reads its calls. */
#include <stdio.h>

struct exp {
	int num;
	char name[35];
};

__attribute__((noipa)) void accept_exp(struct exp *t)
{
	printf("%d %s\n", t->num, t->name);
}

int main(void)
{
	struct exp exp = { 0, "keqing" };

	for (exp.num = 1; exp.num <= 3; exp.num++)
		accept_exp(&exp);
	return 0;
}
