"""Functions by their names in C++ and Rust source, as c++filt spells them and as people write them."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from compiled import compiled, symbols

from pytest_ebpf.binaries import Binary, NoSuchFunction, demangling
from pytest_ebpf.binaries.demangling import demangle, matcher, spellings

if TYPE_CHECKING:
    from pathlib import Path

SHOP = r"""
#include <map>
#include <string>
#include <vector>

namespace shop {
struct Thing {
	int number;
	Thing(int n);
	~Thing();
	bool operator==(const Thing &other) const;
	operator bool() const;
	int &operator[](const char *name);
	int count() const noexcept;
};
Thing::Thing(int n) : number(n) {}
Thing::~Thing() { number = 0; }
bool Thing::operator==(const Thing &other) const { return number == other.number; }
Thing::operator bool() const { return number; }
int &Thing::operator[](const char *name) { return number; }
int Thing::count() const noexcept { return number; }

void sell(int n) { asm volatile("" : : "r"(n)); }
void sell(const std::string &what, std::vector<int> amounts) { asm volatile(""); }
template <typename T> T twice(T value) { return value + value; }
template int twice<int>(int);
template double twice<double>(double);
namespace { __attribute__((noinline, used)) int hidden(char *s) { return *s; } }
std::map<int, std::string> all() { return {}; }
auto lambda = [](int x) { return x * 3; };
int use(int x) { return lambda(x); }
}
int plain(int x) { return x; }
int main(int argc, char **argv) { return shop::use(argc); }
"""

FOUND = {
    "shop::sell(int)": {"_ZN4shop4sellEi"},
    "shop::sell( int )": {"_ZN4shop4sellEi"},
    "shop::sell": {
        "_ZN4shop4sellEi",
        "_ZN4shop4sellERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt6vectorIiSaIiEE",
    },
    "shop::sell*": {
        "_ZN4shop4sellEi",
        "_ZN4shop4sellERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEESt6vectorIiSaIiEE",
    },
    "shop::Thing::Thing(int)": {"_ZN4shop5ThingC1Ei"},
    "shop::Thing::~Thing": {"_ZN4shop5ThingD1Ev"},
    "shop::Thing::operator==": {"_ZNK4shop5ThingeqERKS0_"},
    "shop::Thing::operator==(shop::Thing const&) const": {"_ZNK4shop5ThingeqERKS0_"},
    "shop::Thing::operator bool": {"_ZNK4shop5ThingcvbEv"},
    "shop::Thing::operator[](char const*)": {"_ZN4shop5ThingixEPKc"},
    "shop::Thing::operator[]": {"_ZN4shop5ThingixEPKc"},
    "shop::Thing::count() const": {"_ZNK4shop5Thing5countEv"},
    "shop::Thing::count": {"_ZNK4shop5Thing5countEv"},
    "shop::twice<int>": {"_ZN4shop5twiceIiEET_S1_"},
    "int shop::twice<int>(int)": {"_ZN4shop5twiceIiEET_S1_"},
    "shop::twice": {"_ZN4shop5twiceIiEET_S1_", "_ZN4shop5twiceIdEET_S1_"},
    "shop::(anonymous namespace)::hidden": {"_ZN4shop12_GLOBAL__N_16hiddenEPc"},
    "shop::(anonymous namespace)::hidden(char*)": {"_ZN4shop12_GLOBAL__N_16hiddenEPc"},
    "shop::all[abi:cxx11]": {"_ZN4shop3allB5cxx11Ev"},
    "shop::all": {"_ZN4shop3allB5cxx11Ev"},
    "plain": {"_Z5plaini"},
    "plain(int)": {"_Z5plaini"},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("shop"), SHOP, "-O0", name="shop", suffix=".cpp")


@pytest.mark.parametrize("wanted", FOUND)
def test_a_function_is_found_by_its_name_in_source(shop: Path, wanted: str) -> None:
    found = Binary.open(shop).functions(wanted)
    names = [{each.name, *each.aliases} for each in found]
    assert len(found) == len(FOUND[wanted])
    for symbol in FOUND[wanted]:
        assert any(symbol in each for each in names), names
    assert {each.address for each in found} == {symbols(shop)[symbol] for symbol in FOUND[wanted]}


def test_a_function_tells_its_name_in_source(shop: Path) -> None:
    (found,) = Binary.open(shop).functions("_ZN4shop4sellEi")
    assert found.demangled == "shop::sell(int)"
    assert Binary.open(shop).functions("main")[0].demangled == "main"


def test_a_pattern_of_names_in_source_finds_all(shop: Path) -> None:
    found = Binary.open(shop).functions("shop::Thing::*")
    assert {demangling.shortened(each.demangled) for each in found} == {
        f"shop::Thing::{each}" for each in ("Thing", "~Thing", "operator==", "operator bool", "operator[]", "count")
    }


def test_a_misspelt_name_in_source_has_its_nearest_named(shop: Path) -> None:
    with pytest.raises(NoSuchFunction) as error:
        Binary.open(shop).functions("shop::Thing::cuont")
    assert str(error.value).startswith(f"{shop}: no function 'shop::Thing::cuont'; nearest: shop::Thing::count, ")


def test_without_the_library_that_reads_names_the_symbol_still_serves(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demangle.cache_clear()
    monkeypatch.setattr(demangling, "_cxa_demangle", lambda: None)
    assert Binary.open(shop).functions("_ZN4shop4sellEi")[0].demangled == "_ZN4shop4sellEi"
    with pytest.raises(NoSuchFunction) as error:
        Binary.open(shop).functions("shop::sell(int)")
    assert str(error.value) == (
        f"{shop}: no function 'shop::sell(int)': names as in C++ source take libstdc++.so.6, which is not here:"
        " install it, or ask for the symbol"
    )
    demangle.cache_clear()


def test_names_are_read_as_by_cxxfilt(shop: Path) -> None:
    names = [name for name in symbols(shop) if name.startswith("_Z")]
    assert len(names) > 30
    done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
    assert [demangle(name) for name in names] == done.stdout.splitlines()


RUST = {
    # As rustc made them, and as rustc-demangle reads them.
    "_ZN4core3fmt9Formatter3pad17h9b2b3a0e5b4d1b31E": "core::fmt::Formatter::pad",
    "_ZN60_$LT$alloc..string..String$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE": (
        "<alloc::string::String as core::fmt::Display>::fmt"
    ),
    "_ZN3exp4main28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE": "exp::main::{{closure}}",
    "_RNvCs1234_7mycrate3foo": "mycrate::foo",
    "_RNvMs_NtCs1_5hello3fooNtB4_3Bar3new": "<hello::foo::Bar>::new",
    "_RINvNtC3std3mem8align_ofdE": "std::mem::align_of::<f64>",
    "_RNvXs_C5helloNtB4_3BarNtNtC4core3fmt7Display3fmt": "<hello::Bar as core::fmt::Display>::fmt",
}


@pytest.mark.parametrize("symbol", RUST)
def test_names_of_rust_are_read(symbol: str) -> None:
    name = RUST[symbol]
    assert demangle(symbol) == name
    assert matcher(name)(symbol)


@pytest.mark.parametrize("symbol", ["main", "", "_", "_Z", "_R", "_ZN", "_RNvC", "_ZN4", "_Z" + "N" * 40_000])
def test_what_is_no_such_name_has_none(symbol: str) -> None:
    assert demangle(symbol) is None


def test_a_function_of_rust_is_found(tmp_path: Path) -> None:
    lines = [
        f'.globl "{name}"\n.type "{name}", @function\n"{name}": ret\n.size "{name}", 1\n' for name in (*RUST, "main")
    ]
    path = compiled(tmp_path, ".text\n" + "".join(lines), suffix=".s")
    for symbol, name in RUST.items():
        assert [each.name for each in Binary.open(path).functions(name)] == [symbol]
    assert {each.name for each in Binary.open(path).functions("*::foo")} == {"_RNvCs1234_7mycrate3foo"}


def test_the_ways_to_write_a_name_are_without_what_may_be_left_out() -> None:
    assert spellings("std::vector<int, f(*)(int)> ns::get<int>(int (*)(char), long) const") == {
        "std::vector<int,f(*)(int)>ns::get<int>(int(*)(char),long)const",
        "ns::get<int>(int(*)(char),long)const",
        "std::vector<int,f(*)(int)>ns::get<int>",
        "ns::get<int>",
        "ns::get",
    }
