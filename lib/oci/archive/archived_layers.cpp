#include "oci/archive/archived_layers.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "base/workers.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <thread>

namespace cooper::oci {

namespace {

constexpr std::size_t kMagicLength = 6;  // what detect_compression needs
constexpr std::size_t kSha256Digits = 64;
/// Hashing reads from one disk; more threads than this wait for it.
constexpr unsigned kMaxHashers = 8;

/// A layer that must be read.
struct Job {
    std::string name;
    Range range;
    DigestAlgorithm algorithm;  ///< of its diff ID
    std::optional<ArchivedLayer> result;
};

class HashSink final : public Sink {
public:
    explicit HashSink(DigestAlgorithm algorithm) : hasher_(algorithm) {}
    void write(Bytes chunk) override { hasher_.update(chunk); }
    void finish() override { digest_ = hasher_.finish(); }
    [[nodiscard]] const Digest& digest() const { return digest_.value(); }

private:
    Hasher hasher_;
    std::optional<Digest> digest_;
};

Compression compression_of(const Members& members, const Range& range, const std::string& name) {
    std::array<std::byte, kMagicLength> beginning{};
    const std::size_t count = read_full(*members.open(range), beginning);
    const Compression compression = detect_compression(Bytes(beginning).first(count));
    if (compression == Compression::Xz || compression == Compression::Bzip2) {
        throw Error(ErrorCode::Unsupported,
                    "layer " + printable(name) + " is compressed with " + std::string(to_string(compression)));
    }
    return compression;
}

void read_to_the_end(const Members& members, const Range& range, Hasher* hasher, Sink* inflater, const Run& run) {
    const auto source = members.open(range);
    std::vector<std::byte> buffer(kStreamStep);
    while (const std::size_t count = source->read(buffer)) {
        run.check();
        const Bytes chunk = Bytes(buffer).first(count);
        if (hasher != nullptr) {
            hasher->update(chunk);
        }
        if (inflater != nullptr) {
            inflater->write(chunk);
        }
    }
    if (inflater != nullptr) {
        inflater->finish();
    }
}

/// One pass in all cases but one: a compressed member whose name claims a digest that is not its own.
ArchivedLayer hash_layer(const Members& members, const Job& job, const Run& run) {
    const Compression compression = compression_of(members, job.range, job.name);
    const auto claimed = digest_in_name(job.name);
    const bool is_plain = compression == Compression::None && job.algorithm == DigestAlgorithm::Sha256;
    const bool may_be_vouched_for = compression != Compression::None && claimed;
    HashSink inside(job.algorithm);
    auto inflater = is_plain || may_be_vouched_for ? nullptr : decompressing(inside, compression);
    Hasher hasher;
    read_to_the_end(members, job.range, &hasher, inflater.get(), run);
    Digest digest = hasher.finish();
    if (is_plain) {
        return {job.range, compression, digest, digest};
    }
    if (may_be_vouched_for) {
        if (digest == claimed) {
            return {job.range, compression, std::move(digest), std::nullopt};
        }
        inflater = decompressing(inside, compression);
        read_to_the_end(members, job.range, nullptr, inflater.get(), run);
    }
    return {job.range, compression, std::move(digest), inside.digest()};
}

std::string_view layer_type(Compression compression) {
    switch (compression) {
        case Compression::Gzip:
            return media_type::kOciLayerGzip;
        case Compression::Zstd:
            return media_type::kOciLayerZstd;
        default:
            return media_type::kOciLayer;
    }
}

json::Value descriptor_value(std::string_view media_type, const Digest& digest, std::uint64_t size) {
    return {{"mediaType", media_type}, {"digest", digest.text()}, {"size", size}};
}

void hash_all(const Members& members, std::vector<Job>& jobs, const Run& run) {
    std::stable_sort(jobs.begin(), jobs.end(), [](const Job& a, const Job& b) { return a.range.size > b.range.size; });
    const unsigned cores = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxHashers);
    std::atomic<std::size_t> next{0};
    Workers workers(run);
    for (std::size_t i = 0; i < std::min<std::size_t>(cores, jobs.size()); ++i) {
        workers.start([&, worker_run = workers.run()] {
            for (std::size_t index = next++; index < jobs.size(); index = next++) {
                Job& job = jobs[index];
                in_context("layer " + printable(job.name), [&] { job.result = hash_layer(members, job, worker_run); });
            }
        });
    }
    workers.join();
}

void check_count(const Listing& listing, const Config& config) {
    if (listing.layers.size() != config.diff_ids.size()) {
        throw Error(ErrorCode::InvalidInput, "manifest.json lists " + std::to_string(listing.layers.size()) +
                                                 " layers, the config " + std::to_string(config.diff_ids.size()));
    }
}

}  // namespace

std::optional<Digest> digest_in_name(std::string_view member) {
    std::string_view name = member.substr(member.rfind('/') + 1);
    if (name.starts_with("sha256:")) {
        name.remove_prefix(7);
    }
    name = name.substr(0, name.find('.'));
    return name.size() == kSha256Digits ? Digest::try_parse("sha256:" + std::string(name)) : std::nullopt;
}

std::optional<ArchivedLayer> LayerHashes::find(const Key& key) {
    const std::scoped_lock lock(mutex_);
    const auto found = known_.find(key);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ArchivedLayer> LayerHashes::of(const Members& members, const Listing& listing, const Config& config,
                                           const Run& run) {
    check_count(listing, config);
    std::vector<Key> keys;
    std::set<Key> wanted;
    std::vector<Job> jobs;
    for (std::size_t i = 0; i < listing.layers.size(); ++i) {
        const Key key{members.get(listing.layers[i], "manifest.json"), config.diff_ids[i].algorithm()};
        keys.push_back(key);
        if (wanted.insert(key).second && !find(key)) {
            jobs.push_back({listing.layers[i], key.first, key.second, std::nullopt});
        }
    }
    hash_all(members, jobs, run);
    {
        const std::scoped_lock lock(mutex_);
        for (Job& job : jobs) {
            known_.emplace(Key{job.range, job.algorithm}, std::move(*job.result));
        }
    }
    std::vector<ArchivedLayer> layers;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        layers.push_back(find(keys[i]).value());
        if (const auto& diff_id = layers.back().diff_id; diff_id && *diff_id != config.diff_ids[i]) {
            throw IntegrityError("diff ID of layer " + std::to_string(i + 1) + " of the archive",
                                 config.diff_ids[i].text(), diff_id->text());
        }
    }
    return layers;
}

Manifest make_manifest(const Config& config, const std::vector<ArchivedLayer>& layers) {
    json::Value listed = json::Value::array();
    for (const ArchivedLayer& layer : layers) {
        listed.push_back(descriptor_value(layer_type(layer.compression), layer.digest, layer.range.size));
    }
    const json::Value document{
        {"schemaVersion", 2},
        {"mediaType", media_type::kOciManifest},
        {"config", descriptor_value(media_type::kOciConfig, config.image_id(), config.raw.size())},
        {"layers", std::move(listed)}};
    return Manifest::parse(classify_manifest(json::write(document), media_type::kOciManifest).raw);
}

}  // namespace cooper::oci
