#include "cooper/delivery/verify.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/archive_reader.hpp"

#include "delivery/lock/layer_check.hpp"
#include "delivery/lock/lock_layers.hpp"
#include "delivery/lock/plan_members.hpp"
#include "delivery/lock/verify_record.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace cooper::delivery {
namespace {

constexpr std::array<std::string_view, 4> kGrades = {"record", "image", "blobs", "bytes"};
constexpr std::size_t kMaxDifferences = 20;

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

/// What is in the tarball, as far as it was asked for.
struct Content {
    std::vector<LayerCheck> layers;
    std::vector<std::string> wrong_configs;    ///< and images that are not there
    std::vector<std::string> wrong_documents;  ///< all but configs: manifests, tables of contents, headers
    std::vector<std::string> wrong_manifests;
    std::optional<Digest> sha256;
};

std::string blob_member(const Digest& digest) {
    return "blobs/" + std::string(digest.algorithm_name()) + "/" + std::string(digest.hex());
}

/// The layers at the places that the lock gives them, and everything else byte by byte.
Content content_in_place(const Lock& lock, const oci::ArchivePlan& plan, const FileRanged& file, const Run& run) {
    Content content;
    const auto owners = owners_of(lock);
    const auto layers = layers_by_digest(lock);
    for (const oci::Segment& segment : plan.segments()) {
        const auto* blob = std::get_if<oci::Segment::Blob>(&segment.content);
        if (blob != nullptr) {
            content.layers.push_back(
                {owners.at(blob->descriptor.digest) + " (" + blob_member(blob->descriptor.digest) + ", from byte " +
                     std::to_string(segment.offset) + " of the file)",
                 layers.at(blob->descriptor.digest),
                 [&file, &segment](const Run&) { return file.open(segment.offset, segment.length); },
                 {},
                 {},
                 {}});
        }
    }
    std::map<std::string, bool> documents;  // member -> is a config
    for (const LockedImage& image : lock.images) {
        documents.emplace(blob_member(image.manifest.digest), false);
        documents.insert_or_assign(blob_member(sha256(image.config)), true);
    }
    for (LiteralDifference& difference : compare_literals(plan, file, run)) {
        const auto document = documents.find(difference.member);
        if (!difference.content || document == documents.end()) {
            content.wrong_documents.push_back(std::move(difference.text));
        } else {
            (document->second ? content.wrong_configs : content.wrong_manifests)
                .push_back(std::string(document->second ? "config " : "manifest ") + difference.text);
        }
    }
    return content;
}

std::string name_of(const LockedImage& image) {
    return image.repo_tags.empty() ? image.manifest.digest.shortened() : image.repo_tags[0];
}

/// The layers of the lock's images wherever the tarball has them.
Content content_by_image(const Lock& lock, const oci::ArchiveFile& archive, const Run& run) {
    Content content;
    const auto owners = owners_of(lock);
    const auto layers = layers_by_digest(lock);
    std::set<std::pair<Digest, Digest>> seen;  // the lock's blob, and what the tarball has in its place
    for (const LockedImage& locked : lock.images) {
        const Digest id = sha256(locked.config);
        const auto& there = archive.images();
        const auto found =
            std::find_if(there.begin(), there.end(), [&](const auto& each) { return each.image_id == id; });
        if (found == there.end()) {
            content.wrong_configs.push_back("no image with the config " + id.text() + " of " + name_of(locked));
            continue;
        }
        const oci::Image image = archive.image(static_cast<std::size_t>(found - there.begin()), run);
        const oci::Manifest manifest = oci::Manifest::parse(locked.manifest);
        for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
            const Digest& digest = manifest.layers[i].digest;
            if (seen.emplace(digest, image.manifest.layers[i].digest).second) {
                content.layers.push_back({owners.at(digest),
                                          layers.at(digest),
                                          [image, layer = image.manifest.layers[i]](const Run& reading) {
                                              return image.blobs->open(layer, 0, reading);
                                          },
                                          {},
                                          {},
                                          {}});
            }
        }
    }
    return content;
}

void limit(std::vector<std::string>& differences) {
    if (differences.size() > kMaxDifferences) {
        const std::size_t rest = differences.size() - kMaxDifferences;
        differences.resize(kMaxDifferences);
        differences.push_back("and " + std::to_string(rest) + " more");
    }
}

GradeResult result(Grade grade, std::string evidence, std::vector<std::string> differences) {
    GradeResult result{grade, true, differences.empty(), std::move(evidence), std::move(differences)};
    limit(result.differences);
    return result;
}

GradeResult image_grade(const Lock& lock, const Content& content) {
    std::vector<std::string> wrong = content.wrong_configs;
    for (const LayerCheck& layer : content.layers) {
        if (layer.diff_id != layer.locked->diff_id) {
            wrong.push_back(layer.what + ": " +
                            (layer.diff_id
                                 ? "its diff ID is " + layer.diff_id->text() + ", not " + layer.locked->diff_id.text()
                                 : "its diff ID cannot be told: " + layer.failure));
        }
    }
    return result(Grade::Image,
                  counted(lock.images.size(), "config") + ", diff IDs of " + counted(lock.layers.size(), "layer"),
                  std::move(wrong));
}

GradeResult blobs_grade(const Lock& lock, const Content& content) {
    std::vector<std::string> wrong = content.wrong_configs;
    wrong.insert(wrong.end(), content.wrong_manifests.begin(), content.wrong_manifests.end());
    for (const LayerCheck& layer : content.layers) {
        if (layer.blob != layer.locked->blob.digest) {
            wrong.push_back(layer.what + ": its blob is " + (layer.blob ? layer.blob->text() : layer.failure) +
                            ", not " + layer.locked->blob.digest.text());
        }
    }
    return result(Grade::Blobs, counted(lock.layers.size(), "layer blob"), std::move(wrong));
}

GradeResult bytes_grade(const Lock& lock, const Content& content, std::uint64_t size) {
    std::vector<std::string> wrong = content.wrong_documents;
    if (size != lock.output.size) {
        wrong.push_back("the file has " + std::to_string(size) + " bytes, not " + std::to_string(lock.output.size));
    }
    if (content.sha256 != lock.output.sha256) {
        wrong.push_back("SHA-256 of the file: " + content.sha256.value().text() + ", not " + lock.output.sha256.text());
    }
    return result(Grade::Bytes, std::to_string(size) + " bytes, " + lock.output.sha256.text(), std::move(wrong));
}

void check_content(const FileRanged& file, const std::filesystem::path& tarball, const VerifyOptions& options,
                   Verification& verification, const Run& run) {
    const Lock& lock = verification.lock;
    const oci::ArchivePlan plan = plan_of(lock, nullptr);  // outlives the checks, which read at its segments
    Content content;
    try {
        content = file.size() == plan.size()
                      ? content_in_place(lock, plan, file, run)
                      : content_by_image(lock, oci::ArchiveFile::open(tarball, options.spool, run), run);
    } catch (const Error& error) {
        content.wrong_configs.push_back(error.what());
    }
    content.sha256 =
        check_layers(content.layers, options.grade == Grade::Bytes ? &file : nullptr, options.jobs, options.task, run);
    verification.grades.push_back(image_grade(lock, content));
    if (options.grade >= Grade::Blobs) {
        verification.grades.push_back(blobs_grade(lock, content));
    }
    if (options.grade == Grade::Bytes) {
        verification.grades.push_back(bytes_grade(lock, content, file.size()));
    }
}

}  // namespace

std::string_view to_string(Grade grade) noexcept {
    return kGrades[static_cast<std::size_t>(grade)];
}

Grade parse_grade(std::string_view text) {
    const auto found = std::find(kGrades.begin(), kGrades.end(), text);
    if (found == kGrades.end()) {
        throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is none of record, image, blobs and bytes");
    }
    return static_cast<Grade>(found - kGrades.begin());
}

Verification verify_tarball(const std::filesystem::path& tarball, const std::filesystem::path& lock,
                            const VerifyOptions& options, const Run& run) {
    Record record = check_record(lock, options);
    Verification verification{{}, {}, std::move(record.lock)};
    verification.grades.push_back(result(Grade::Record, std::move(record.evidence), {}));
    if (options.grade > Grade::Record) {
        check_content(FileRanged(tarball), tarball, options, verification, run);
    }
    verification.good = true;
    for (const GradeResult& grade : verification.grades) {
        verification.good = verification.good && grade.reached;
        if (verification.good) {
            verification.reached = grade.grade;
        }
    }
    for (std::size_t i = verification.grades.size(); i < kGrades.size(); ++i) {
        verification.grades.push_back({static_cast<Grade>(i), false, false, {}, {}});
    }
    return verification;
}

}  // namespace cooper::delivery
