#include "cooper/oci/archive_writer.hpp"

#include "cooper/base/files.hpp"
#include "cooper/oci/convert.hpp"

#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <mutex>

using namespace cooper;
using namespace cooper::oci;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::MemoryBlobs;
using cooper::testing::random_bytes;

namespace {

std::string all_of(const ArchivePlan& plan) {
    const auto source = plan.open();
    return read_all(*source, 1 << 28, "archive");
}

/// Puts parts together and can fail at one of them.
class Collector final : public PartConsumer {
public:
    explicit Collector(std::uint64_t size, std::uint32_t fail_at = 0) : bytes(size, '?'), fail_at_(fail_at) {}

    void part(std::uint32_t number, std::uint64_t offset, Bytes part_bytes) override {
        if (number == fail_at_) {
            throw Error(ErrorCode::Unavailable, "the store is gone");
        }
        const std::scoped_lock lock(mutex_);
        numbers.push_back(number);
        bytes.replace(offset, part_bytes.size(), as_text(part_bytes));
    }

    std::string bytes;
    std::vector<std::uint32_t> numbers;

private:
    std::mutex mutex_;
    std::uint32_t fail_at_;
};

Image sample_image(std::shared_ptr<MemoryBlobs>* blobs = nullptr) {
    return memory_image({{LayerSpec::Form::Gzip, random_bytes(40'000, 1)},
                         {LayerSpec::Form::Plain, random_bytes(3, 2)},
                         {LayerSpec::Form::Plain, ""},
                         {LayerSpec::Form::Gzip, random_bytes(9'000, 3)},
                         {LayerSpec::Form::Gzip, random_bytes(70'000, 4)}},
                        blobs);
}

}  // namespace

TEST_CASE("stream_archive: parts of any size put together are the plan's bytes and hash", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = sample_image(&blobs);
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    const std::string whole = all_of(plan);
    for (const std::uint64_t part_size : {std::uint64_t{512}, std::uint64_t{1000}, std::uint64_t{4096},
                                          std::uint64_t{65'537}, plan.size(), plan.size() + 1}) {
        for (const unsigned buffers : {1U, 2U, 7U}) {
            for (const std::size_t step : {std::size_t{7}, std::size_t{1} << 20}) {
                blobs->step = step;
                Collector collector(plan.size());
                ArchiveStreamOptions options;
                options.part_size = part_size;
                options.buffers = buffers;
                options.deep = true;
                const ArchiveWritten written = stream_archive(plan, collector, options, {});
                REQUIRE(collector.bytes == whole);
                REQUIRE(collector.numbers.size() == (plan.size() + part_size - 1) / part_size);
                REQUIRE(written.sha256 == sha256(whole));
                REQUIRE(written.diff_ids_checked);
            }
        }
    }
}

TEST_CASE("stream_archive: parts of given lengths are handed out as such", "[unit][oci]") {
    const auto plan = ArchivePlan::make({{sample_image(), {"a:1"}}});
    const std::string whole = all_of(plan);
    ArchiveStreamOptions options;
    options.parts = {1, 70'000, 3, plan.size() - 70'004};
    options.buffers = 2;
    Collector collector(plan.size());
    CHECK(stream_archive(plan, collector, options, {}).sha256 == sha256(whole));
    CHECK(collector.bytes == whole);
    CHECK(collector.numbers.size() == 4);
    for (const std::vector<std::uint64_t>& wrong :
         {std::vector<std::uint64_t>{plan.size() - 1}, {plan.size(), 1}, {0, plan.size()}, {plan.size() + 1}}) {
        options.parts = wrong;
        CHECK_THROWS_AS(stream_archive(plan, collector, options, {}), Error);
    }
}

TEST_CASE("stream_archive: with one uploader parts come in order", "[unit][oci]") {
    const auto plan = ArchivePlan::make({{sample_image(), {"a:1"}}});
    Collector collector(plan.size());
    ArchiveStreamOptions options;
    options.part_size = 1024;
    options.uploads = 1;
    stream_archive(plan, collector, options, {});
    REQUIRE(collector.numbers.size() > 100);
    CHECK(std::is_sorted(collector.numbers.begin(), collector.numbers.end()));
}

TEST_CASE("stream_archive: a lying, short or long blob fails the whole", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = sample_image(&blobs);
    const Descriptor layer = image.manifest.layers[3];
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    const auto source = blobs->open(layer, 0, {});
    std::string bytes = read_all(*source, 1 << 20, "layer");
    const std::string lie = GENERATE("one bit", "short", "long", "empty");
    CAPTURE(lie);
    if (lie == "one bit") {
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    } else if (lie == "short") {
        bytes.pop_back();
    } else if (lie == "long") {
        bytes += 'x';
    } else {
        bytes.clear();
    }
    blobs->replace(layer.digest, bytes);
    Collector collector(plan.size());
    ArchiveStreamOptions options;
    options.part_size = 4096;
    CHECK_THROWS_AS(stream_archive(plan, collector, options, {}), IntegrityError);
    CHECK_THROWS_WITH(stream_archive(plan, collector, options, {}), Catch::Contains(layer.digest.shortened()));
    TempDirectory directory;
    CHECK_THROWS_AS(write_archive(plan, directory.path() / "a.tar", {}, {}), IntegrityError);
    CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("stream_archive: a consumer that fails stops the stream with its own error", "[unit][oci]") {
    const auto plan = ArchivePlan::make({{sample_image(), {"a:1"}}});
    for (const std::uint32_t fail_at : {1U, 2U, 9U}) {
        Collector collector(plan.size(), fail_at);
        ArchiveStreamOptions options;
        options.part_size = 2048;
        CHECK_THROWS_WITH(stream_archive(plan, collector, options, {}), "the store is gone");
    }
}

TEST_CASE("stream_archive: a stop request ends it with Cancelled", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto plan = ArchivePlan::make({{sample_image(&blobs), {"a:1"}}});
    std::stop_source stop;
    blobs->step = 100;
    blobs->on_read = [&](std::uint64_t count) {
        if (count == 50) {
            stop.request_stop();
        }
    };
    Collector collector(plan.size());
    ArchiveStreamOptions options;
    options.part_size = 2048;
    CHECK_THROWS_AS(stream_archive(plan, collector, options, Run{}.with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("write_archive: the file is the plan's bytes, with and without checksum, and appears only whole",
          "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto plan = ArchivePlan::make({{sample_image(&blobs), {"a:1"}}});
    TempDirectory directory;
    const auto path = directory.path() / "a.tar";
    for (const bool checksum : {false, true}) {
        ArchiveWriteOptions options;
        options.checksum = checksum;
        options.deep = true;
        const ArchiveWritten written = write_archive(plan, path, options, {});
        CHECK(written.size == plan.size());
        CHECK(written.sha256.has_value() == checksum);
        const std::string bytes = read_file(path, 1 << 28);
        CHECK(bytes == all_of(plan));
        if (checksum) {
            CHECK(*written.sha256 == sha256(bytes));
        }
        std::filesystem::remove(path);
    }
    blobs->step = 10'000;
    for (std::uint64_t fail_at = 1; fail_at < 12; ++fail_at) {  // fail the 1st, 2nd, … read
        std::uint64_t seen = 0;
        std::mutex mutex;
        blobs->on_read = [&](std::uint64_t) {
            const std::scoped_lock lock(mutex);
            if (++seen == fail_at) {
                throw Error(ErrorCode::Unavailable, "connection reset");
            }
        };
        CHECK_THROWS_WITH(write_archive(plan, path, {}, {}), Catch::Contains("connection reset"));
        CHECK(std::filesystem::is_empty(directory.path()));
    }
}

TEST_CASE("write_archive: deep finds a layer whose diff ID is not the config's", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    Image image = memory_image({{LayerSpec::Form::Gzip, "right"}}, &blobs);
    image.config.diff_ids[0] = sha256("wrong");
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    TempDirectory directory;
    ArchiveWriteOptions options;
    CHECK_NOTHROW(write_archive(plan, directory.path() / "shallow.tar", options, {}));
    options.deep = true;
    CHECK_THROWS_WITH(write_archive(plan, directory.path() / "deep.tar", options, {}), Catch::Contains("diff ID"));
}

TEST_CASE("write_archive: zstd under a gzip label is refused with advice", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    Image image = memory_image({{LayerSpec::Form::Zstd, "content"}}, &blobs);
    image.manifest.layers[0].media_type = media_type::kOciLayerGzip;
    TempDirectory directory;
    CHECK_THROWS_WITH(write_archive(ArchivePlan::make({{image, {}}}), directory.path() / "a.tar", {}, {}),
                      Catch::Contains("but holds zstd"));
}

TEST_CASE("convert_layers: zstd becomes gzip, the rest stays, image ID and diff IDs are kept", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = memory_image({{LayerSpec::Form::Gzip, random_bytes(5000, 1)},
                                      {LayerSpec::Form::Zstd, random_bytes(5000, 2)},
                                      {LayerSpec::Form::Zstd, random_bytes(5000, 2)}},
                                     &blobs);
    TempDirectory spool;
    const Image converted = convert_layers(image, LayerForm::Keep, spool.path(), {});
    CHECK(blobs->opened() == 1);  // only one of the two equal zstd layers was read, the gzip layer not at all
    CHECK(converted.config.raw == image.config.raw);
    CHECK(converted.manifest.layers[0] == image.manifest.layers[0]);
    CHECK(converted.manifest.layers[1].media_type == media_type::kOciLayerGzip);
    CHECK(converted.manifest.layers[1].digest == converted.manifest.layers[2].digest);
    Collector collector(0);
    const auto plan = ArchivePlan::make({{converted, {"a:1"}}});
    collector.bytes.resize(plan.size());
    ArchiveStreamOptions options;
    options.deep = true;
    CHECK(stream_archive(plan, collector, options, {}).diff_ids_checked);
    CHECK(convert_layers(image, LayerForm::Keep, spool.path(), {}).manifest.raw.digest ==
          converted.manifest.raw.digest);
}

TEST_CASE("convert_layers: uncompressed gives plain tars named by their diff IDs", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Gzip, random_bytes(5000, 1)},
                                      {LayerSpec::Form::Zstd, random_bytes(5000, 2)},
                                      {LayerSpec::Form::Plain, random_bytes(5000, 3)}});
    TempDirectory spool;
    const Image plain = convert_layers(image, LayerForm::Uncompressed, spool.path(), {});
    for (std::size_t i = 0; i < 3; ++i) {
        CHECK(plain.manifest.layers[i].media_type == media_type::kOciLayer);
        CHECK(plain.manifest.layers[i].digest == image.config.diff_ids[i]);
    }
}

TEST_CASE("convert_layers: nothing to do gives the same manifest back", "[unit][oci]") {
    const Image image = sample_image();
    TempDirectory spool;
    CHECK(convert_layers(image, LayerForm::Keep, spool.path(), {}).manifest.raw.digest == image.manifest.raw.digest);
    CHECK(std::filesystem::is_empty(spool.path()));
}

TEST_CASE("convert_layers: a wrong diff ID is found while converting", "[unit][oci]") {
    Image image = memory_image({{LayerSpec::Form::Zstd, "right"}});
    image.config.diff_ids[0] = sha256("wrong");
    TempDirectory spool;
    CHECK_THROWS_AS(convert_layers(image, LayerForm::Keep, spool.path(), {}), IntegrityError);
    CHECK(std::filesystem::is_empty(spool.path()));
}
