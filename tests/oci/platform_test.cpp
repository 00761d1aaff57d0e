#include "cooper/oci/platform.hpp"

#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace cooper;
using oci::Platform;

namespace {

std::vector<std::string> accepted(std::string_view wanted) {
    std::vector<std::string> texts;
    for (const Platform& platform : oci::acceptable(Platform::parse(wanted))) {
        texts.push_back(platform.text());
    }
    return texts;
}

}  // namespace

TEST_CASE("platform: spellings of the field become one", "[unit][oci]") {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"linux/amd64", "linux/amd64"},
        {"linux/x86_64", "linux/amd64"},
        {"linux/x86-64", "linux/amd64"},
        {"linux/amd64/v1", "linux/amd64"},
        {"linux/amd64/v3", "linux/amd64/v3"},
        {"linux/aarch64", "linux/arm64"},
        {"linux/arm64/v8", "linux/arm64"},
        {"linux/arm64/8", "linux/arm64"},
        {"linux/arm64/v9", "linux/arm64/v9"},
        {"linux/arm", "linux/arm/v7"},
        {"linux/arm/6", "linux/arm/v6"},
        {"linux/armhf", "linux/arm/v7"},
        {"linux/armel", "linux/arm/v6"},
        {"linux/i386", "linux/386"},
        {"Linux/AMD64", "linux/amd64"},
        {"arm64", "linux/arm64"},
        {"armhf", "linux/arm/v7"},
        {"x86_64", "linux/amd64"},
        {"windows/amd64", "windows/amd64"},
        {"macos/arm64", "darwin/arm64"},
        {"linux/s390x", "linux/s390x"},
    };
    for (const auto& [text, expected] : cases) {
        CAPTURE(text);
        CHECK(Platform::parse(text).text() == expected);
        CHECK(Platform::parse(expected).text() == expected);
    }
    CHECK(Platform::parse("linux") == Platform::host());
}

TEST_CASE("platform: text that is none is refused", "[unit][oci]") {
    for (const char* text :
         {"", "/", "linux/", "/amd64", "linux/amd64/v3/x", "linux amd64", "lin\x1bux/amd64", "banana", "all"}) {
        CAPTURE(text);
        CHECK_THROWS_AS(Platform::parse(text), Error);
    }
}

TEST_CASE("platform: lower variants are accepted, best first, but never another architecture", "[unit][oci]") {
    using List = std::vector<std::string>;
    CHECK(accepted("arm/v7") == List{"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"});
    CHECK(accepted("arm/v8") == List{"linux/arm/v8", "linux/arm/v7", "linux/arm/v6", "linux/arm/v5"});
    CHECK(accepted("linux/amd64/v3") == List{"linux/amd64/v3", "linux/amd64/v2", "linux/amd64"});
    CHECK(accepted("amd64") == List{"linux/amd64"});
    CHECK(accepted("arm64") == List{"linux/arm64"});
    CHECK(accepted("linux/arm64/v9") == List{"linux/arm64/v9", "linux/arm64"});
    CHECK(accepted("linux/riscv64") == List{"linux/riscv64"});
    CHECK(accepted("linux/arm/v9") == List{"linux/arm/v9"});
}

TEST_CASE("platform: the host's is linux and has a known architecture", "[unit][oci]") {
    const Platform host = Platform::host();
    CHECK(host.os == "linux");
    CHECK(host == Platform::parse(host.architecture).normalised());
}
