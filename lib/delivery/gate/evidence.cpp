// Evidence as a document, and where it lies.
#include "cooper/delivery/evidence.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/oci/manifest.hpp"

#include "base/json.hpp"
#include "delivery/changelog/markdown.hpp"
#include "delivery/gate/evidence_files.hpp"
#include "delivery/gate/file_list.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace cooper::delivery {

namespace {

using Sorted = nlohmann::json;  // members by key, as RFC 8785 wants them (ours are all ASCII)

constexpr std::string_view kSchema = "cooper.evidence/v1";
constexpr std::string_view kSchemaStart = "cooper.evidence/";
constexpr std::size_t kMaxName = 1024;
constexpr std::size_t kMaxPassed = 100;
constexpr std::size_t kMaxCommand = 4096;
constexpr std::size_t kMaxPlatform = 200;
constexpr std::size_t kMaxFileName = 160;  // of 255 bytes that file systems take
constexpr std::size_t kHashDigits = 16;
constexpr std::array<std::string_view, 9> kMembers = {"schema", "name",     "platform", "manifest", "manifest_is_made",
                                                      "config", "diff_ids", "tarball",  "passed"};
constexpr std::string_view kFilesMember = "files";

/// Printable ASCII without spaces: what references are made of, and safe in every message.
bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

class EvidenceReader {
public:
    explicit EvidenceReader(const std::string& what) : what_(what) {}

    [[nodiscard]] Evidence read(const json::Value& root) const {
        check_members(root);
        Evidence evidence{text(root, "name", kMaxName),
                          text(root, "platform", kMaxPlatform),
                          digest(root, "manifest"),
                          flag(root, "manifest_is_made"),
                          digest(root, "config"),
                          {},
                          {},
                          0,
                          {},
                          {}};
        for (const json::Value& diff_id : list(json::member(root, "diff_ids", what_), "diff_ids", oci::kMaxLayers)) {
            evidence.diff_ids.push_back(digest_of(diff_id, "diff_ids"));
        }
        if (const json::Value* tarball = json::find_member(root, "tarball")) {
            evidence.tarball = digest(*tarball, "digest");
            evidence.tarball_size = json::uint_member(*tarball, "size", what_);
        }
        if (const json::Value* passed = json::find_member(root, "passed")) {
            for (const json::Value& command : list(*passed, "passed", kMaxPassed)) {
                evidence.passed.push_back(string_of(command, "passed", kMaxCommand));
            }
        }
        if (json::find_member(root, kFilesMember) != nullptr) {
            evidence.files = digest(root, kFilesMember);
        }
        return evidence;
    }

private:
    [[noreturn]] void refuse(const std::string& why) const { throw Error(ErrorCode::InvalidInput, what_ + ": " + why); }

    /// A condition that a later cooper wrote down must not be passed over.
    void check_members(const json::Value& root) const {
        for (const auto& [key, value] : root.items()) {
            if (key != kFilesMember && std::find(kMembers.begin(), kMembers.end(), key) == kMembers.end()) {
                throw Error(ErrorCode::Unsupported,
                            what_ + " has the member \"" + oci::printable(key) + "\", which this cooper does not know");
            }
        }
    }

    [[nodiscard]] std::string string_of(const json::Value& value, std::string_view key, std::size_t most) const {
        if (!value.is_string() || value.get_ref<const std::string&>().empty() ||
            value.get_ref<const std::string&>().size() > most) {
            refuse(std::string(key) + " is not a text of 1 to " + std::to_string(most) + " bytes");
        }
        return value.get<std::string>();
    }

    [[nodiscard]] std::string text(const json::Value& object, std::string_view key, std::size_t most) const {
        std::string value = string_of(json::member(object, key, what_), key, most);
        if (!is_plain(value)) {
            refuse(std::string(key) + " has characters that no name has: \"" + oci::printable(value) + "\"");
        }
        return value;
    }

    [[nodiscard]] bool flag(const json::Value& object, std::string_view key) const {
        const json::Value* value = json::find_member(object, key);
        if (value != nullptr && !value->is_boolean()) {
            refuse(std::string(key) + " is neither true nor false");
        }
        return value != nullptr && value->get<bool>();
    }

    [[nodiscard]] const json::Value& list(const json::Value& value, std::string_view key, std::size_t most) const {
        if (!value.is_array() || value.size() > most) {
            refuse(std::string(key) + " is not a list of at most " + std::to_string(most));
        }
        return value;
    }

    [[nodiscard]] Digest digest_of(const json::Value& value, std::string_view key) const {
        const auto digest = value.is_string() ? Digest::try_parse(value.get_ref<const std::string&>()) : std::nullopt;
        if (!digest) {
            refuse(std::string(key) + " is no digest");
        }
        return *digest;
    }
    [[nodiscard]] Digest digest(const json::Value& object, std::string_view key) const {
        return digest_of(json::member(object, key, what_), key);
    }

    const std::string& what_;
};

/// "a/b:1" becomes "a_b_1". One to one for names of lower-case words with one colon and no "_": the last "_" is the
/// colon then.
bool is_unambiguous(std::string_view name) {
    const bool usual = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '/' || c == ':';
    });
    const std::size_t colon = name.find(':');
    return usual && colon != std::string_view::npos && name.find_first_of(":/", colon + 1) == std::string_view::npos &&
           name.size() <= kMaxFileName && name.front() != '.';
}

std::string file_stem(std::string_view name) {
    std::string stem;
    for (const char c : name.substr(0, kMaxFileName)) {
        const bool kept =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        stem += kept ? c : '_';
    }
    // "~" is in no unambiguous name, so the two kinds never meet.
    return is_unambiguous(name) ? stem : "~" + stem + "~" + std::string(sha256(name).hex().substr(0, kHashDigits));
}

}  // namespace

Evidence evidence_of(const oci::Image& image, const std::string& name) {
    image.check();
    return {name,
            image.config.platform.text(),
            image.manifest.raw.digest,
            false,
            image.manifest.config.digest,
            image.config.diff_ids,
            {},
            0,
            {},
            {}};
}

std::string evidence_to_json(const Evidence& evidence) {
    Sorted root{{"schema", kSchema},
                {"name", evidence.name},
                {"platform", evidence.platform},
                {"manifest", evidence.manifest.text()},
                {"config", evidence.config.text()}};
    Sorted& diff_ids = root["diff_ids"] = Sorted::array();
    for (const Digest& diff_id : evidence.diff_ids) {
        diff_ids.push_back(diff_id.text());
    }
    if (evidence.manifest_is_made) {
        root["manifest_is_made"] = true;
    }
    if (evidence.tarball) {
        root["tarball"] = {{"digest", evidence.tarball->text()}, {"size", evidence.tarball_size}};
    }
    for (const std::string& command : evidence.passed) {
        root["passed"].push_back(valid_utf8(command));
    }
    if (evidence.files) {
        root[kFilesMember] = evidence.files->text();
    }
    return root.dump() + "\n";
}

Evidence evidence_from_json(std::string_view text, const std::string& what) {
    if (text.size() > kMaxEvidence) {
        throw Error(ErrorCode::InvalidInput, what + " has " + std::to_string(text.size()) +
                                                 " bytes: evidence has at most " + format_bytes(kMaxEvidence));
    }
    const json::Value root = json::parse(text, what);
    const std::string schema = json::string_member(root, "schema", what);
    if (schema == kSchema) {
        return EvidenceReader(what).read(root);
    }
    if (!schema.starts_with(kSchemaStart)) {
        throw Error(ErrorCode::InvalidInput, what + " is no evidence: its schema is \"" + oci::printable(schema) +
                                                 "\", not " + std::string(kSchema));
    }
    Error error(ErrorCode::Unsupported,
                what + " is of the schema " + oci::printable(schema) + "; this cooper knows " + std::string(kSchema));
    error.advise("use a cooper at least as new as the one that tested the image");
    throw error;
}

std::string evidence_file_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxName || !is_plain(name)) {
        throw Error(ErrorCode::InvalidInput, "\"" + oci::printable(name) + "\" is no name of an image");
    }
    return file_stem(name) + std::string(kEvidenceEnding);
}

std::filesystem::path file_list_of(const std::filesystem::path& evidence) {
    std::string name = evidence.filename().string();
    if (name.ends_with(kEvidenceEnding)) {
        name.resize(name.size() - kEvidenceEnding.size());
    }
    return evidence.parent_path() / (name + std::string(kFileListEnding));
}

std::filesystem::path write_evidence(const std::filesystem::path& directory, Evidence evidence, const oci::Image& image,
                                     bool files, const Run& run) {
    const std::filesystem::path path = directory / evidence_file_name(evidence.name);
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    if (failed) {
        throw SystemError("cannot make the directory " + directory.string(), failed.value());
    }
    const std::filesystem::path list = file_list_of(path);
    if (files) {
        evidence.files = write_file_list(list, image, run);
    } else {
        evidence.files = std::nullopt;
        std::filesystem::remove(list, failed);
    }
    const std::string text = evidence_to_json(evidence);
    static_cast<void>(evidence_from_json(text, "the evidence of " + evidence.name));  // what is written can be read
    write_file(path, text);
    return path;
}

}  // namespace cooper::delivery
