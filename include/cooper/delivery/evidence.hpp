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
    /// The image came from an engine or a docker-archive, which keep no manifest: cooper made this one, and a registry
    /// may have another for the same image.
    bool manifest_is_made = false;
    Digest config;
    std::vector<Digest> diff_ids;
    std::optional<Digest> tarball;  ///< where there is one
    std::uint64_t tarball_size = 0;
    std::vector<std::string> passed;  ///< tests that it passed, as their commands were given
    /// SHA-256 of the list of files (beside it, see write_evidence); nullopt: none was made.
    std::optional<Digest> files;
    bool operator==(const Evidence&) const = default;
};

/// More than any image's: 1000 layers are 80 KB.
inline constexpr std::size_t kMaxEvidence = 1U << 20;

/// Without tarball, tests and files. The name is as oci::Reference::familiar() writes it.
Evidence evidence_of(const oci::Image& image, const std::string& name);
/// {"schema":"cooper.evidence/v1",…}, canonical (RFC 8785) but for a newline at its end; absent members that have
/// nothing to say are left out.
std::string evidence_to_json(const Evidence& evidence);
/// `what` names it in errors. Throws Error{InvalidInput} naming the member, Error{Unsupported} for a later schema.
Evidence evidence_from_json(std::string_view text, const std::string& what);

/// "braindotai_opencrate-cpu-py3.10_v0.1.0.evidence.json": no two names share one, also where case does not count
/// (names with "_", capitals or other unusual parts get some digits of their digest).
std::string evidence_file_name(std::string_view name);
/// Writes the evidence into `directory` (made when missing). With `files`, also what each layer holds (path, type,
/// mode, owner, time, size, digest of the content) and the config, compressed, in NAME.files.zst beside it, so that a
/// difference is told down to the file by who no longer has the tested image; that reads all layers once and checks
/// their digests and diff IDs. Memory does not grow with the image; some 40 bytes a file go to $TMPDIR. Equal images
/// make equal bytes. Replaces what an earlier run wrote. Returns the path of the evidence.
std::filesystem::path write_evidence(const std::filesystem::path& directory, Evidence evidence, const oci::Image& image,
                                     bool files, const Run& run);

/// All evidence (*.evidence.json) in a directory tree (as CI's artifacts come, one directory each), or one file.
/// Symlinks below `path` are refused, not followed. Several of one name count as one when they are of the same image.
/// Throws Error{InvalidInput} for two of one name that disagree and for trees beyond 100,000 entries or 16 levels,
/// Error{NotFound} for none at all.
class EvidenceSet {
public:
    static EvidenceSet load(const std::filesystem::path& path);
    struct Item {
        Evidence evidence;
        std::filesystem::path path;
    };
    /// By the exact name, else by NAME:TAG where only one ends so. nullptr: none.
    [[nodiscard]] const Item* find(std::string_view name) const;
    /// The same; throws NotTested where find() gives nullptr.
    [[nodiscard]] const Item& of(std::string_view name) const;
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
/// only because one of the images passed through a place that stores layers compressed otherwise (an engine) is no
/// difference when config and diff IDs agree and `same_form` is false or the evidence's manifest is made; its tarball
/// is another one too then. Throws NotTested with everything that differs, down to the first differing layer and, where
/// a list of files lies beside the evidence, its first differing files and the config's members. A list that is damaged
/// or not the one that the evidence names is not believed: a difference says so.
void check_evidence(const EvidenceSet::Item& tested, const oci::Image& at_hand, const std::optional<Digest>& tarball,
                    bool same_form, const Run& run);

}  // namespace cooper::delivery
