#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/git_tags.hpp"

#include "build/tags/semver.hpp"
#include "build/tags/tag_text.hpp"
#include "oci/printable.hpp"

namespace cooper::build {

namespace {

constexpr std::size_t kMaxVersionFile = 4096;

std::string_view without_v(std::string_view version) {
    return version.substr(version.starts_with('v') ? 1 : 0);
}

}  // namespace

std::string read_version_file(const std::filesystem::path& file) {
    const std::string text = read_file(file, kMaxVersionFile);
    const auto line = trim(text);
    const auto version = find_semver(line);
    if (!version || !version->build.empty()) {
        throw Error(ErrorCode::InvalidInput, "version file '" + oci::printable(file.string()) +
                                                 "' does not hold one version, but '" + oci::printable(line) + "'")
            .advise("write one line of the form v1.2.3 or v1.2.3-rc1 (no leading zeros)");
    }
    return std::string(line);
}

void require_match(const GitFacts& facts, std::string_view version) {
    constexpr std::string_view kTags = "refs/tags/";
    const std::string wanted = oci::printable(version);
    if (!facts.ref.starts_with(kTags)) {
        throw Error(ErrorCode::InvalidInput,
                    "version " + wanted + " needs a tag of git, and " +
                        (facts.ref.empty() ? "no ref is known" : "the ref is '" + oci::printable(facts.ref) + "'"))
            .advise("run it on the tag " + wanted);
    }
    const auto tag = std::string_view(facts.ref).substr(kTags.size());
    if (without_v(tag) != without_v(version)) {
        throw Error(ErrorCode::InvalidInput, "the tag '" + oci::printable(tag) + "' is not the version " + wanted)
            .advise("set the version before tagging, and tag the commit that has it");
    }
}

}  // namespace cooper::build
