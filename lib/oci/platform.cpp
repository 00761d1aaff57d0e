#include "cooper/oci/platform.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <array>

namespace cooper::oci {

namespace {

constexpr std::array<std::string_view, 14> kArchitectures = {"386",     "amd64",   "arm",      "arm64",  "loong64",
                                                             "mips",    "mips64",  "mips64le", "mipsle", "ppc64",
                                                             "ppc64le", "riscv64", "s390x",    "wasm"};
constexpr std::array<std::string_view, 4> kSystems = {"linux", "windows", "darwin", "freebsd"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
               c == '-';
    });
}

std::string arm_variant(const std::string& variant) {
    if (variant.empty()) {
        return "v7";
    }
    return variant.size() == 1 && variant[0] >= '5' && variant[0] <= '8' ? "v" + variant : variant;
}

}  // namespace

Platform Platform::parse(std::string_view text) {
    const auto words = split(text, '/');
    if (words.size() > 3 || !std::all_of(words.begin(), words.end(), is_word)) {
        throw Error(ErrorCode::InvalidInput,
                    "\"" + printable(text) + "\" is not a platform: write OS/ARCHITECTURE[/VARIANT], like linux/arm64");
    }
    const auto word = [&](std::size_t at) { return at < words.size() ? std::string(words[at]) : std::string(); };
    const Platform without_system = Platform{"linux", word(0), word(1)}.normalised();
    if (words.size() < 3 && contains(kArchitectures, without_system.architecture)) {
        return without_system;
    }
    if (words.size() > 1) {
        return Platform{word(0), word(1), word(2)}.normalised();
    }
    Platform as_system = host();
    as_system.os = words[0];
    as_system = as_system.normalised();
    if (contains(kSystems, as_system.os)) {
        return as_system;
    }
    throw Error(ErrorCode::InvalidInput,
                "\"" + printable(text) +
                    "\" is neither an operating system nor an architecture: write OS/ARCHITECTURE, like linux/arm64");
}

Platform Platform::host() {
    utsname names{};
    uname(&names);
    std::string machine = names.machine;
    std::string variant;
    // 32-bit x86 and arm kernels name their generation: i686, armv7l. Images know them as 386 and arm/v7.
    if (machine.size() == 4 && machine[0] == 'i' && machine.ends_with("86")) {
        machine = "386";
    } else if (machine.starts_with("armv") && machine.size() > 4) {
        variant = machine.substr(4, 1);
        machine = "arm";
    } else if (machine == "loongarch64") {
        machine = "loong64";
    }
    return Platform{"linux", machine, variant}.normalised();
}

Platform Platform::normalised() const {
    Platform result{to_lower(os), to_lower(architecture), to_lower(variant)};
    std::string& arch = result.architecture;
    if (result.os == "macos") {
        result.os = "darwin";
    }
    if (arch == "x86_64" || arch == "x86-64") {
        arch = "amd64";
    } else if (arch == "aarch64") {
        arch = "arm64";
    } else if (arch == "i386") {
        arch = "386";
        result.variant.clear();
    } else if (arch == "armhf") {
        arch = "arm";
        result.variant = "v7";
    } else if (arch == "armel") {
        arch = "arm";
        result.variant = "v6";
    }
    if (arch == "arm") {
        result.variant = arm_variant(result.variant);
    } else if (arch == "amd64" && result.variant == "v1") {
        result.variant.clear();
    } else if (arch == "arm64" && (result.variant == "8" || result.variant == "v8")) {
        result.variant.clear();
    }
    return result;
}

std::string Platform::text() const {
    std::string text = os + "/" + architecture;
    if (!variant.empty()) {
        text += "/" + variant;
    }
    return text;
}

std::vector<Platform> acceptable(const Platform& wanted) {
    const Platform exact = wanted.normalised();
    std::vector<Platform> result{exact};
    const bool numbered = exact.variant.size() == 2 && exact.variant[0] == 'v';
    const char number = numbered ? exact.variant[1] : '0';
    const auto add = [&](const std::string& variant) { result.push_back({exact.os, exact.architecture, variant}); };
    if (exact.architecture == "arm" && number >= '5' && number <= '8') {
        for (char lower = static_cast<char>(number - 1); lower >= '5'; --lower) {
            add(std::string("v") + lower);
        }
    } else if (exact.architecture == "amd64" && number >= '2' && number <= '4') {
        for (char lower = static_cast<char>(number - 1); lower >= '2'; --lower) {
            add(std::string("v") + lower);
        }
        add("");
    } else if (exact.architecture == "arm64" && !exact.variant.empty()) {
        add("");
    }
    return result;
}

}  // namespace cooper::oci
