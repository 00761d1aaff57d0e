// Flags of instructions and the fields of --mount. Input: the number of a keyword (one byte), what follows it.
#include "cooper/build/dockerfile.hpp"

#include "fuzz.hpp"

#include <array>
#include <string>

using namespace cooper;
using namespace cooper::build;

namespace {

constexpr std::array<const char*, 8> kLines{"RUN ",     "COPY ",   "ADD ",   "HEALTHCHECK ",
                                            "ONBUILD ", "FROM --", "RUN --", "COPY --"};

std::string field(const std::string& key, const std::string& value) {
    std::string quoted = ",\"" + key + "=";
    for (const char c : value) {
        quoted += c == '"' ? "\"\"" : std::string(1, c);
    }
    return quoted + "\"";
}

/// The same mount in other words.
std::string written(const RunMount& mount) {
    constexpr std::array<const char*, 5> kTypes{"bind", "cache", "tmpfs", "secret", "ssh"};
    constexpr std::array<const char*, 3> kSharing{"shared", "private", "locked"};
    std::string text = std::string("TYPE=") + kTypes.at(static_cast<std::size_t>(mount.type));
    text += mount.read_only ? ",ro" : ",rw";
    text += field("from", mount.from) + field("source", mount.source) + field("target", mount.target);
    text += field("id", mount.id);
    if (mount.type == RunMount::Type::Cache) {
        text += field("sharing", kSharing.at(static_cast<std::size_t>(mount.sharing)));
    }
    if (mount.required) {
        text += field("required", *mount.required ? "true" : "false");
    }
    if (mount.size) {
        text += field("size", std::to_string(*mount.size));
    }
    if (mount.uid) {
        text += field("uid", std::to_string(*mount.uid));
    }
    if (mount.gid) {
        text += field("gid", std::to_string(*mount.gid));
    }
    return mount.env ? text + field("env", *mount.env) : text;
}

void check_mount(const std::string& text) {
    const auto mount = parse_run_mount(text);
    const auto again = parse_run_mount(written(mount));
    fuzz::check(again.type == mount.type && again.read_only == mount.read_only && again.sharing == mount.sharing &&
                    again.required == mount.required && again.uid == mount.uid && again.gid == mount.gid,
                "a mount in other words has the same settings");
    fuzz::check(again.from == mount.from && again.source == mount.source && again.target == mount.target &&
                    again.id == mount.id && again.env == mount.env,
                "and the same texts");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const auto rest = fuzz::text_of(data + 1, size - 1);
    fuzz::expect_only_errors([&] { check_mount(std::string(rest)); });
    fuzz::expect_only_errors([&] {
        const auto text = "FROM a\n" + std::string(kLines.at(data[0] % kLines.size())) + std::string(rest);
        const auto dockerfile = Dockerfile::parse(text, "Dockerfile");
        for (const auto& instruction : dockerfile.stages.at(0).instructions) {
            if (const auto* const run = std::get_if<RunInstruction>(&instruction.kind)) {
                for (const auto& mount : run->mount_texts) {
                    fuzz::expect_only_errors([&] { check_mount(mount); });
                }
            }
        }
    });
    return 0;
}
