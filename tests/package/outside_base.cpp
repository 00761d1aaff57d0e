// Uses cooper::base alone.
#include "cooper/base/digest.hpp"

#include <cstdio>
#include <string>

int main() {
    const std::string expected =
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";  // FIPS 180-4, "abc"
    if (cooper::sha256("abc").text() != expected) {
        std::fprintf(stderr, "cooper::base gives another SHA-256 for \"abc\"\n");
        return 1;
    }
    return 0;
}
