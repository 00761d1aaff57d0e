// Evidence as CI hands it on: a file, or a tree of artifact directories that anybody may have filled.
#include "cooper/base/files.hpp"
#include "cooper/delivery/evidence.hpp"

#include "delivery/gate/evidence_files.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <map>

namespace cooper::delivery {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxTreeEntries = 100'000;
constexpr int kMaxTreeDepth = 16;
constexpr std::size_t kMaxItems = 10'000;

/// "app:1" of "ghcr.io/acme/app:1".
std::string_view last_part(std::string_view name) {
    return name.substr(name.rfind('/') + 1);
}

[[noreturn]] void throw_system(const std::string& action, const std::error_code& error) {
    throw SystemError(action, error.value());
}

/// Paths of evidence below `root`, relative to it, sorted.
std::vector<fs::path> find_evidence(const fs::path& root) {
    std::vector<fs::path> found;
    std::error_code error;
    std::size_t entries = 0;
    fs::recursive_directory_iterator each(root, error);
    for (; !error && each != fs::recursive_directory_iterator(); each.increment(error)) {
        if (++entries > kMaxTreeEntries || each.depth() > kMaxTreeDepth) {
            throw Error(ErrorCode::InvalidInput, root.string() + " has more than " + std::to_string(kMaxTreeEntries) +
                                                     " entries or " + std::to_string(kMaxTreeDepth) +
                                                     " levels: that is no directory of evidence");
        }
        if (each->path().native().ends_with(kEvidenceEnding) &&
            each->symlink_status(error).type() != fs::file_type::directory) {
            found.push_back(each->path().lexically_relative(root));
        }
    }
    if (error) {
        throw_system("cannot read the directory " + root.string(), error);
    }
    std::sort(found.begin(), found.end());
    return found;
}

bool are_of_one_image(const Evidence& a, const Evidence& b) {
    return a.platform == b.platform && a.manifest == b.manifest && a.config == b.config && a.diff_ids == b.diff_ids &&
           (!a.tarball || !b.tarball || a.tarball == b.tarball);
}

/// Another piece of evidence of the same name.
void merge_item(EvidenceSet::Item& there, const EvidenceSet::Item& item) {
    Evidence& known = there.evidence;
    if (!are_of_one_image(known, item.evidence)) {
        Error error(ErrorCode::InvalidInput, "two images were tested as " + known.name + ": " + there.path.string() +
                                                 " and " + item.path.string() + " disagree");
        error.advise("let each job that tests an image give it a name of its own");
        throw error;
    }
    if (!known.tarball) {
        known.tarball = item.evidence.tarball;
        known.tarball_size = item.evidence.tarball_size;
    }
    for (const std::string& command : item.evidence.passed) {
        if (std::find(known.passed.begin(), known.passed.end(), command) == known.passed.end()) {
            known.passed.push_back(command);
        }
    }
    if (!known.files && item.evidence.files) {
        known.files = item.evidence.files;
        there.path = item.path;  // beside it lies the list
    }
}

}  // namespace

EvidenceSet EvidenceSet::load(const fs::path& path) {
    EvidenceSet set;
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::regular) {
        set.items_.push_back({evidence_from_json(read_file(path, kMaxEvidence), path.string()), path});
        return set;
    }
    if (status.type() != fs::file_type::directory) {
        if (status.type() == fs::file_type::not_found) {
            throw Error(ErrorCode::NotFound, "there is no evidence at " + path.string());
        }
        throw Error(ErrorCode::InvalidInput, path.string() + " is neither a file nor a directory of evidence");
    }
    const auto found = find_evidence(path);
    if (found.empty()) {
        Error none(ErrorCode::NotFound, path.string() + " has no *" + std::string(kEvidenceEnding));
        none.advise("cooper gate IMAGE --record DIR writes it in the job that tests the image");
        throw none;
    }
    if (found.size() > kMaxItems) {
        throw Error(ErrorCode::InvalidInput,
                    path.string() + " has evidence of more than " + std::to_string(kMaxItems) + " images");
    }
    std::map<std::string, std::size_t> numbers;  // of items, by name
    for (const fs::path& each : found) {
        const std::string shown = oci::printable((path / each).string());
        const auto text = find_file_beneath(path, each.native(), kMaxEvidence);
        if (!text) {
            throw Error(ErrorCode::InvalidInput, shown + " went away while it was read");
        }
        Item item{evidence_from_json(*text, shown), path / each};
        const auto [known, is_new] = numbers.try_emplace(item.evidence.name, set.items_.size());
        if (is_new) {
            set.items_.push_back(std::move(item));
        } else {
            merge_item(set.items_[known->second], item);
        }
    }
    return set;
}

const EvidenceSet::Item* EvidenceSet::find(std::string_view name) const {
    const Item* near = nullptr;
    bool several = false;
    for (const Item& item : items_) {
        if (item.evidence.name == name) {
            return &item;
        }
        if (last_part(item.evidence.name) == last_part(name)) {
            several = near != nullptr;
            near = &item;
        }
    }
    return several ? nullptr : near;
}

const EvidenceSet::Item& EvidenceSet::of(std::string_view name) const {
    const Item* item = find(name);
    if (item != nullptr) {
        return *item;
    }
    constexpr std::size_t kShown = 5;
    std::string there;
    for (std::size_t i = 0; i < std::min(items_.size(), kShown); ++i) {
        there += (i == 0 ? "" : ", ") + oci::printable(items_[i].evidence.name);
    }
    there += items_.size() > kShown ? ", and " + std::to_string(items_.size() - kShown) + " more" : "";
    NotTested error(std::string(name) + " was not tested: no evidence has its name", "evidence of " + std::string(name),
                    there, {"no evidence"});
    error.advise("cooper gate IMAGE=NAME:TAG --record DIR in the job that tests it, with the same NAME:TAG");
    throw error;
}

}  // namespace cooper::delivery
