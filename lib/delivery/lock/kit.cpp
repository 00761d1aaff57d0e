#include "cooper/delivery/kit.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/lock/pile_write.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace cooper::delivery {
namespace {

using oci::ArchivePlan;

/// Each lock with its signature, in the order of their names.
std::vector<ArchivePlan::Document> lock_documents(const std::vector<KitEntry>& entries) {
    std::vector<ArchivePlan::Document> documents;
    std::set<std::string> names;
    for (const KitEntry& entry : entries) {
        const std::string member = "locks/" + lock_key(safe_file_name(entry.lock.output.name));
        if (!names.insert(member).second) {
            throw Error(ErrorCode::InvalidInput, "two of the locks are of a tarball called " + entry.lock.output.name)
                .advise("make a kit of each");
        }
        documents.push_back({member, lock_to_json(entry.lock)});
        if (!entry.signature.empty()) {
            documents.push_back({member + ".sig", entry.signature});
        }
    }
    std::sort(documents.begin(), documents.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return documents;
}

/// An image's graph whose config comes from the lock.
ArchivePlan::NamedGraph named_graph(const LockedImage& locked, std::map<std::string, Digest>& owners, BlobPile& pile) {
    const oci::Image image{oci::Manifest::parse(locked.manifest), oci::Config::parse(locked.config), pile.blobs()};
    pile.keep(image.manifest.config.digest, locked.config);
    ArchivePlan::NamedGraph named{oci::graph_of(image), {}};
    std::copy_if(locked.repo_tags.begin(), locked.repo_tags.end(), std::back_inserter(named.names),
                 [&](const std::string& name) {
                     return owners.emplace(name, locked.manifest.digest).first->second == locked.manifest.digest;
                 });
    return named;
}

}  // namespace

ArchivePlan plan_kit(const std::vector<KitEntry>& entries, BlobPile& pile) {
    std::vector<ArchivePlan::NamedGraph> graphs;
    std::map<std::string, Digest> owners;
    for (const KitEntry& entry : entries) {
        for (const LockedImage& image : entry.lock.images) {
            graphs.push_back(named_graph(image, owners, pile));
        }
    }
    return ArchivePlan::make_oci(graphs, lock_documents(entries));
}

oci::ArchiveWritten write_kit(const std::vector<KitEntry>& entries, BlobPile& pile, const std::filesystem::path& path,
                              const oci::ArchiveWriteOptions& options, const Run& run) {
    for (const KitEntry& entry : entries) {
        pile.complete(entry.lock, run);
    }
    return write_from_pile(plan_kit(entries, pile), pile, path, options, run);
}

}  // namespace cooper::delivery
