// A build cache from elsewhere: a manifest, NUL, the records that its config would be. What is accepted has layers that
// the manifest lists, and is written as the same bytes again; a place's spelling (after another NUL) is taken or not.
#include "cooper/oci/manifest.hpp"

#include "build/cache/cache_documents.hpp"
#include "build/cache/step_records.hpp"
#include "fuzz/fuzz.hpp"

#include <algorithm>

namespace {

using cooper::build::StepRecord;
using cooper::fuzz::check;
namespace build = cooper::build;
namespace oci = cooper::oci;

class NoBlobs final : public oci::Blobs {
public:
    [[nodiscard]] std::unique_ptr<cooper::Source> open(const oci::Descriptor&, std::uint64_t,
                                                       const cooper::Run&) const override {
        throw cooper::Error(cooper::ErrorCode::NotFound, "no blob");
    }
};

bool is_printable(const std::string& text) {
    return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 0x7F; });
}

void check_records(const std::vector<StepRecord>& records) {
    check(records.size() <= build::kMaxCacheRecords, "there are no more records than the limit");
    for (const StepRecord& record : records) {
        check(is_printable(record.instruction) && is_printable(record.compressor), "texts are printable");
        check(!record.blob || oci::is_layer_media_type(record.blob->media_type), "blobs are layers");
        check(!record.blob || record.blob->size <= oci::kMaxBlobSize, "sizes are sizes");
    }
    const std::string written = build::records_to_json(records);
    const auto again = build::records_from_json(written, "again");
    check(again.size() == records.size(), "all records come back");
    check(build::records_to_json(again) == written, "the same records have the same bytes");
    const auto graph = build::make_cache_graph(records, nullptr);
    check(graph.records + graph.left_out == records.size(), "every record is in it or counted");
    check(graph.graph.root().bytes.size() <= oci::kMaxDocument, "registries take the manifest");
}

void read_from_manifest(std::string_view text) {
    const NoBlobs blobs;
    const oci::ManifestFetcher fetch = [](const oci::Descriptor&) -> oci::ClassifiedManifest {
        throw cooper::Error(cooper::ErrorCode::NotFound, "no manifest");
    };
    const auto root = oci::classify_manifest(std::string(text), "");
    const auto found = build::read_cache(root, fetch, blobs, {});
    for (const StepRecord& record : found.records) {
        check(record.blob.has_value(), "an imported record has a blob");
        check(text.find(record.blob->digest.hex()) != std::string_view::npos, "the manifest lists the blob");
    }
    check_records(found.records);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text = cooper::fuzz::text_of(data, size);
    const auto next = [&] {
        const auto end = text.find('\0');
        const auto part = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        return part;
    };
    const auto manifest = next();
    const auto records = next();
    const auto place = next();
    cooper::fuzz::expect_only_errors([&] { read_from_manifest(manifest); });
    cooper::fuzz::expect_only_errors([&] { check_records(build::records_from_json(records, "records")); });
    cooper::fuzz::expect_only_errors([&] {
        const auto parsed = build::CachePlace::parse_from(place);
        check(!parsed.reference.empty() || !parsed.directory.empty(), "what is read has a place");
    });
    return 0;
}
