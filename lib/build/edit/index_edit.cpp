#include "cooper/build/index_edit.hpp"

#include "cooper/base/error.hpp"

#include "base/json.hpp"
#include "build/edit/index_text.hpp"
#include "build/edit/manifest_text.hpp"
#include "oci/manifest_entries.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>

namespace cooper::build {

namespace {

/// The platform of an image as an index says it, in the config's own words.
json::Value platform_json(const oci::Config& config) {
    const auto document = json::parse(config.raw, "config");
    json::Value platform = json::Value::object();
    for (const auto* const member : {"architecture", "os", "os.version", "os.features", "variant"}) {
        const auto* value = json::find_member(document, member);
        if (value != nullptr && !value->is_null() && *value != "") {
            platform[member] = *value;
        }
    }
    return platform;
}

/// The entry for a single manifest: an image has a platform, anything else does not.
IndexEntry entry_for(const oci::Graph& graph, const Run& run) {
    const auto& manifest = graph.root();
    json::Value entry = {
        {"mediaType", manifest.media_type}, {"digest", manifest.digest.text()}, {"size", manifest.bytes.size()}};
    try {
        entry["platform"] = platform_json(oci::images_of(graph, run).at(0).config);
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Unsupported) {
            throw;
        }
    }
    const auto document = json::parse(manifest.bytes, "manifest");
    if (const auto type = json::find_string(document, "artifactType", "manifest")) {
        entry["artifactType"] = *type;
    }
    return IndexEntry(json::write(entry));
}

std::vector<IndexEntry> entries_of(const oci::Graph& graph, const Run& run) {
    if (graph.kind == oci::ManifestKind::Index) {
        return IndexText(graph.root()).entries();
    }
    return {entry_for(graph, run)};
}

/// Entries come in, platforms are told apart, what is replaced takes its attestations along.
class Additions {
public:
    Additions(IndexText& index, IfListed if_listed) : index_(index), if_listed_(if_listed) {
        for (std::size_t i = 0; i < index.entries().size(); ++i) {
            remember(i);
        }
    }

    void add(IndexEntry entry) {
        if (digests_.contains(entry.descriptor.digest)) {
            return;
        }
        needs_oci_ = needs_oci_ || oci_media_type(entry.descriptor.media_type) == entry.descriptor.media_type;
        const auto key = entry.platform_key();
        const auto listed = key.empty() ? platforms_.end() : platforms_.find(key);
        if (listed == platforms_.end()) {
            index_.entries().push_back(std::move(entry));
            remember(index_.entries().size() - 1);
            return;
        }
        auto& there = index_.entries()[listed->second];
        if (if_listed_ == IfListed::Refuse) {
            throw Error(ErrorCode::Conflict, "the index has an image for " +
                                                 oci::printable(there.descriptor.platform->text()) +
                                                 " already: " + there.descriptor.digest.text())
                .advise("--replace puts the new one in its place");
        }
        replaced_.insert(there.descriptor.digest.text());
        digests_.erase(there.descriptor.digest);
        digests_.insert(entry.descriptor.digest);
        there = std::move(entry);
    }

    void finish() {
        std::erase_if(index_.entries(), [&](const IndexEntry& entry) {
            const auto subject = entry.attests();
            return subject && replaced_.contains(*subject);
        });
        if (needs_oci_) {
            index_.make_oci();
        }
    }

private:
    void remember(std::size_t position) {
        const auto& entry = index_.entries()[position];
        digests_.insert(entry.descriptor.digest);
        if (const auto key = entry.platform_key(); !key.empty()) {
            platforms_.emplace(key, position);
        }
    }

    IndexText& index_;
    IfListed if_listed_;
    bool needs_oci_ = false;
    std::map<std::string, std::size_t> platforms_;
    std::set<Digest> digests_;
    std::set<std::string> replaced_;
};

oci::Graph added(IndexText index, GraphParts parts, const std::vector<oci::Graph>& members, IfListed if_listed,
                 const Run& run) {
    Additions additions(index, if_listed);
    for (const auto& member : members) {
        parts.add(member);
        for (auto& entry : entries_of(member, run)) {
            additions.add(std::move(entry));
        }
    }
    additions.finish();
    return parts.below(index.finish(), run);
}

/// Which entries of an index a command line means.
class Selection {
public:
    explicit Selection(const std::vector<IndexEntry>& entries) : entries_(entries) {}

    void add(const std::string& which) {
        const auto digest = Digest::try_parse(which);
        const auto platform = digest ? std::nullopt : std::optional(oci::Platform::parse(which).normalised());
        bool found = false;
        for (const auto& entry : entries_) {
            const bool meant = digest ? entry.descriptor.digest == *digest
                                      : oci::is_image_entry(entry.descriptor) && entry.descriptor.platform == platform;
            if (meant) {
                digests_.insert(entry.descriptor.digest.text());
                found = true;
            }
        }
        if (!found) {
            throw Error(ErrorCode::NotFound,
                        "the index has no entry for " + oci::printable(which) + "; present: " + present());
        }
    }

    [[nodiscard]] bool has(const IndexEntry& entry) const {
        const auto subject = entry.attests();
        return digests_.contains(entry.descriptor.digest.text()) || (subject && digests_.contains(*subject));
    }

private:
    [[nodiscard]] std::string present() const {
        std::string list;
        for (const auto& entry : entries_) {
            if (!entry.attests()) {
                const auto& platform = entry.descriptor.platform;
                list += (list.empty() ? "" : ", ") +
                        (platform ? oci::printable(platform->text()) + " " : std::string()) +
                        entry.descriptor.digest.shortened();
            }
        }
        return list;
    }

    const std::vector<IndexEntry>& entries_;
    std::set<std::string> digests_;
};

}  // namespace

oci::Graph make_index(const std::vector<oci::Graph>& members,
                      const std::vector<std::pair<std::string, std::string>>& annotations, IfListed if_listed,
                      const Run& run) {
    if (members.empty()) {
        throw Error(ErrorCode::InvalidInput, "an index of no images");
    }
    IndexText index;
    for (const auto& [key, value] : annotations) {
        index.set_annotation(key, value);
    }
    return added(std::move(index), {}, members, if_listed, run);
}

oci::Graph add_to_index(const oci::Graph& index, const std::vector<oci::Graph>& members, IfListed if_listed,
                        const Run& run) {
    if (index.kind == oci::ManifestKind::Image) {
        std::vector<oci::Graph> all{index};
        all.insert(all.end(), members.begin(), members.end());
        return make_index(all, {}, if_listed, run);
    }
    GraphParts parts;
    parts.add(index);
    return added(IndexText(index.root()), std::move(parts), members, if_listed, run);
}

oci::Graph remove_from_index(const oci::Graph& graph, const std::vector<std::string>& which, const Run& run) {
    if (graph.kind == oci::ManifestKind::Image) {
        throw Error(ErrorCode::InvalidInput, "this is a single image, not an index");
    }
    IndexText index(graph.root());
    Selection selection(index.entries());
    for (const auto& each : which) {
        selection.add(each);
    }
    std::vector<IndexEntry> left;
    std::copy_if(index.entries().begin(), index.entries().end(), std::back_inserter(left),
                 [&](const IndexEntry& entry) { return !selection.has(entry); });
    if (left.empty()) {
        throw Error(ErrorCode::InvalidInput, "nothing would be left in the index");
    }
    index.entries() = std::move(left);
    GraphParts parts;
    parts.add(graph);
    return parts.below(index.finish(), run);
}

}  // namespace cooper::build
