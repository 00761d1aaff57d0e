// The digest gate: what was tested is written down by the job that tested it, and compared before anything is
// published.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// What an image is, as digests. Small: some 100 bytes a layer.
struct Evidence {
    std::string name;      ///< "braindotai/opencrate-cpu-py3.10:v0.1.0": by which it is found again
    std::string platform;  ///< "linux/amd64"
    Digest manifest;
    Digest config;
    std::vector<Digest> diff_ids;
    std::optional<Digest> tarball;  ///< where there is one
    std::uint64_t tarball_size = 0;
    std::vector<std::string> passed;  ///< tests that it passed, as their commands were given
    /// SHA-256 of the list of files (FILES beside it, see write_evidence); nullopt: none was made.
    std::optional<Digest> files;
    bool operator==(const Evidence&) const = default;
};

Evidence evidence_of(const oci::Image& image, const std::string& name);
/// {"schema":"cooper.evidence/v1",…}, canonical.
std::string evidence_to_json(const Evidence& evidence);
/// Throws Error{InvalidInput} naming the member, Error{Unsupported} for a later schema.
Evidence evidence_from_json(std::string_view text, const std::string& what);

/// "braindotai_opencrate-cpu-py3.10_v0.1.0.evidence.json": no two names share one.
std::string evidence_file_name(std::string_view name);
/// Writes the evidence into `directory` (made when missing). With `files`, also what each layer holds (path, type,
/// mode, owner, time, size, digest of the content), compressed, so that a difference is told down to the file by who no
/// longer has the tested image; that reads all layers once. Returns the path.
std::filesystem::path write_evidence(const std::filesystem::path& directory, Evidence evidence, const oci::Image& image,
                                     bool files, const Run& run);

/// All evidence in a directory tree (as CI's artifacts come, one directory each), or one file. Throws
/// Error{InvalidInput} for two of one name that disagree, Error{NotFound} for none at all.
class EvidenceSet {
public:
    static EvidenceSet load(const std::filesystem::path& path);
    struct Item {
        Evidence evidence;
        std::filesystem::path path;
    };
    /// By the exact name, else by NAME:TAG where only one ends so. nullptr: none.
    [[nodiscard]] const Item* find(std::string_view name) const;
    [[nodiscard]] const std::vector<Item>& items() const noexcept { return items_; }

private:
    std::vector<Item> items_;
};

/// The image at hand is not the one that was tested: exit code 4.
class NotTested : public IntegrityError {
public:
    NotTested(const std::string& what_was_checked, std::string expected, std::string actual,
              std::vector<std::string> differences);
    ~NotTested() override;
    /// One line each, from the top: "config digest …", "layer 2 of 9 …", "layer 2: usr/bin/app: content".
    [[nodiscard]] const std::vector<std::string>& differences() const noexcept { return differences_; }

private:
    std::vector<std::string> differences_;
};

/// Compares config, manifest and diff IDs, and the tarball's SHA-256 where both sides have one. A manifest that differs
/// only because the image passed through a place that stores layers compressed otherwise (an engine) is no difference
/// when config and diff IDs agree and `same_form` is false. Throws NotTested with everything that differs, down to the
/// first differing layer and, where a list of files lies beside the evidence, the first differing file.
void check_evidence(const EvidenceSet::Item& tested, const oci::Image& at_hand, const std::optional<Digest>& tarball,
                    bool same_form, const Run& run);

}  // namespace cooper::delivery
