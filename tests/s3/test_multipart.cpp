#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "s3/scene.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    std::uint32_t value = 1;
    for (char& c : text) {
        value = value * 1'664'525 + 1'013'904'223;
        c = static_cast<char>(value >> 24);
    }
    return text;
}

/// Three small parts, sent.
std::vector<UploadedPart> send_parts(Scene& scene, const std::string& id) {
    std::vector<UploadedPart> parts;
    for (std::uint32_t number = 1; number <= 3; ++number) {
        parts.push_back(scene.bucket.upload_part("k", id, number, as_bytes("part"), scene.run));
    }
    return parts;
}

const std::map<std::string, std::string> kOurs{{"id", "ours"}};

std::string begin_ours(Scene& scene) {
    ObjectHeaders headers;
    headers.metadata = kOurs;
    return scene.bucket.create_upload("k", headers, scene.run);
}

}  // namespace

TEST_CASE("multipart: parts sizes keep all but the last equal and fit in 10,000", "[unit][s3]") {
    CHECK(part_size_for(0, 0) == kMinPart);
    CHECK(part_size_for(100 * kMiB, 16 * kMiB) == 16 * kMiB);
    CHECK(part_size_for(1ULL << 40, 16 * kMiB) == 105 * kMiB);
    CHECK(((1ULL << 40) + 105 * kMiB - 1) / (105 * kMiB) <= kMaxParts);
    CHECK(part_size_for(100 * kMiB, 6 * kMiB + 1) == 7 * kMiB);
    CHECK(error_of([] { (void)part_size_for(100ULL << 40, 0); }).starts_with("invalid-input"));
}

TEST_CASE("upload: a large object goes in parallel parts, with the checksum of the whole", "[unit][s3]") {
    Scene scene({.min_part = kMinPart});
    const std::string content = pattern(23 * kMiB + 17);
    ObjectHeaders headers;
    headers.content_type = "application/x-tar";
    headers.metadata = {{"sha256", "abc"}};
    const WriteResult result = upload(scene.bucket, "a:b.tar", MemoryRanged(content), headers,
                                      WriteCondition::if_absent(), scene.run, 5 * kMiB, 4);
    CHECK(result.outcome == WriteOutcome::Done);
    CHECK((scene.content("a:b.tar") == content));
    CHECK(scene.store.find("a:b.tar")->headers.at("x-amz-meta-sha256") == "abc");
    CHECK(scene.store.count("UploadPart") == 5);
    const auto headers_sent = scene.last("CompleteMultipartUpload").headers;
    CHECK(headers_sent.at("x-amz-checksum-crc64nvme") == crc64nvme_header(crc64nvme(as_bytes(content))));
    CHECK(headers_sent.at("x-amz-checksum-type") == "FULL_OBJECT");
    CHECK(headers_sent.at("content-type") == "application/xml");
    CHECK(headers_sent.at("if-none-match") == "*");
    CHECK(scene.store.pending_uploads() == 0);
}

TEST_CASE("upload: a small one is one request", "[unit][s3]") {
    Scene scene;
    CHECK(upload(scene.bucket, "k", MemoryRanged("small"), {}, WriteCondition::none(), scene.run).outcome ==
          WriteOutcome::Done);
    CHECK(scene.content("k") == "small");
    CHECK(scene.store.seen().size() == 1);
}

TEST_CASE("upload: when a part cannot be sent, nothing is left behind", "[unit][s3]") {
    Scene scene;
    scene.store.set_chaos([](const std::string& operation, const std::string&) {
        return operation == "UploadPart" ? S3Fault::AccessDenied : S3Fault::None;
    });
    const std::string content = pattern(20 * kMiB);
    const std::string error =
        error_of([&] { upload(scene.bucket, "k", MemoryRanged(content), {}, {}, scene.run, 5 * kMiB, 3); });
    CHECK(error.starts_with("access-denied: writing part"));
    CHECK(error.find("of s3://bucket/k") != std::string::npos);
    CHECK(scene.store.pending_uploads() == 0);
    CHECK(scene.store.keys().empty());
}

TEST_CASE("upload: killed at any request, it leaves neither object nor upload", "[unit][s3]") {
    const std::string content = pattern(11 * kMiB);
    for (unsigned kill_at = 1; kill_at <= 4; ++kill_at) {
        INFO("stopped at request " << kill_at);
        Scene scene;
        std::stop_source stop;
        scene.store.set_chaos([&stop, kill_at, count = std::make_shared<std::atomic<unsigned>>(0)](const std::string&,
                                                                                                   const std::string&) {
            if (++*count == kill_at) {
                stop.request_stop();
                return S3Fault::Reset;
            }
            return S3Fault::None;
        });
        const Run run = scene.run.with_stop(stop.get_token());
        CHECK_THROWS_AS(upload(scene.bucket, "k", MemoryRanged(content), {}, {}, run, 5 * kMiB, 1), Cancelled);
        CHECK(scene.store.pending_uploads() == 0);
        CHECK(scene.store.keys().empty());
    }
}

TEST_CASE("upload: parts are sent again through SlowDown, resets and lost replies", "[unit][s3]") {
    Scene scene;
    scene.store.set_chaos([count = std::make_shared<std::atomic<unsigned>>(0)](const std::string&, const std::string&) {
        constexpr S3Fault kMix[] = {S3Fault::SlowDown,  S3Fault::None, S3Fault::Reset, S3Fault::None,
                                    S3Fault::LostReply, S3Fault::None, S3Fault::None};
        return kMix[++*count % 7];
    });
    const std::string content = pattern(40 * kMiB);
    CHECK(upload(scene.bucket, "k", MemoryRanged(content), {}, {}, scene.run, 5 * kMiB, 4).outcome ==
          WriteOutcome::Done);
    CHECK((scene.content("k") == content));
}

TEST_CASE("upload: a store without the checksum gets parts without it", "[unit][s3]") {
    Scene scene({.refuses_crc = true});
    const std::string content = pattern(12 * kMiB);
    CHECK(upload(scene.bucket, "k", MemoryRanged(content), {}, {}, scene.run, 5 * kMiB, 2).outcome ==
          WriteOutcome::Done);
    CHECK((scene.content("k") == content));
    CHECK(scene.last("UploadPart").headers.contains("content-md5"));
    CHECK_FALSE(scene.last("CompleteMultipartUpload").headers.contains("x-amz-checksum-crc64nvme"));
    CHECK(scene.notices.all().size() == 1);
}

TEST_CASE("upload: a store that does not know the checksum is not told the whole's", "[unit][s3]") {
    Scene scene({.ignores_checksums = true});
    const std::string content = pattern(12 * kMiB);
    CHECK(upload(scene.bucket, "k", MemoryRanged(content), {}, {}, scene.run, 5 * kMiB, 2).outcome ==
          WriteOutcome::Done);
    CHECK((scene.content("k") == content));
    CHECK(scene.last("UploadPart").headers.contains("x-amz-checksum-crc64nvme"));
    CHECK(scene.notices.all().empty());
}

TEST_CASE("upload: a source that ends early is an error", "[unit][s3]") {
    class Short final : public Ranged {
    public:
        using Ranged::open;
        [[nodiscard]] std::uint64_t size() const override { return 20 * kMiB; }
        [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t /*offset*/, std::uint64_t /*length*/) const override {
            return std::make_unique<MemorySource>(std::string_view("short"));
        }
    };
    Scene scene;
    CHECK(error_of([&] { upload(scene.bucket, "k", Short(), {}, {}, scene.run); }).starts_with("integrity"));
    CHECK(scene.store.pending_uploads() == 0);
}

TEST_CASE("complete: an error inside a 200 answer is seen and tried again", "[unit][s3]") {
    Scene scene;
    const std::string id = begin_ours(scene);
    const auto parts = send_parts(scene, id);
    scene.store.fail("CompleteMultipartUpload", S3Fault::ErrorIn200, 2);
    CHECK(scene.bucket.complete_upload("k", id, parts, {}, kOurs, scene.run).outcome == WriteOutcome::Done);
    CHECK(scene.store.count("CompleteMultipartUpload") == 3);
    CHECK(scene.content("k") == "partpartpart");
}

TEST_CASE("complete: when the first try worked unseen, the object proves it", "[unit][s3]") {
    for (const S3Fault fault : {S3Fault::LostReply, S3Fault::DoneErrorIn200, S3Fault::EmptyIn200, S3Fault::Late500}) {
        for (const WriteCondition& condition : {WriteCondition::none(), WriteCondition::if_absent()}) {
            Scene scene;
            const std::string id = begin_ours(scene);
            const auto parts = send_parts(scene, id);
            scene.store.fail("CompleteMultipartUpload", fault);
            const WriteResult result = scene.bucket.complete_upload("k", id, parts, condition, kOurs, scene.run);
            CHECK(result.outcome == WriteOutcome::Done);
            CHECK(result.etag == scene.store.find("k")->etag);
        }
    }
}

TEST_CASE("complete: without metadata to compare, the ETag of the parts proves it", "[unit][s3]") {
    Scene scene;
    const std::string id = scene.bucket.create_upload("k", {}, scene.run);
    const auto parts = send_parts(scene, id);
    scene.store.fail("CompleteMultipartUpload", S3Fault::LostReply);
    CHECK(scene.bucket.complete_upload("k", id, parts, {}, {}, scene.run).outcome == WriteOutcome::Done);
}

TEST_CASE("complete: somebody else's object of the same size is not taken for ours", "[unit][s3]") {
    Scene scene;
    const std::string id = begin_ours(scene);
    const auto parts = send_parts(scene, id);
    scene.store.fail("CompleteMultipartUpload", S3Fault::LostReply);
    scene.store.set_chaos([&scene](const std::string& operation, const std::string&) {
        if (operation == "CompleteMultipartUpload") {
            scene.store.put("k", "theirstheirs");
        }
        return S3Fault::None;
    });
    CHECK(
        error_of([&] { scene.bucket.complete_upload("k", id, parts, {}, kOurs, scene.run); }).starts_with("conflict"));
}

TEST_CASE("complete: a condition that fails leaves the other's object, and Upload cleans up", "[unit][s3]") {
    Scene scene;
    scene.store.put("k", "theirs");
    {
        Upload mine(scene.bucket, "k", {}, scene.run);
        mine.part(1, as_bytes("mine"), scene.run);
        CHECK(mine.complete(WriteCondition::if_absent(), {}, scene.run).outcome == WriteOutcome::ConditionFailed);
        CHECK(scene.store.pending_uploads() == 1);
    }
    CHECK(scene.store.pending_uploads() == 0);
    CHECK(scene.content("k") == "theirs");
}

TEST_CASE("complete: with a condition and no answer at all it is ambiguous", "[unit][s3]") {
    Scene scene;
    const std::string id = begin_ours(scene);
    const auto parts = send_parts(scene, id);
    scene.store.fail("CompleteMultipartUpload", S3Fault::Reset, 100);
    CHECK(scene.bucket.complete_upload("k", id, parts, WriteCondition::if_absent(), kOurs, scene.run).outcome ==
          WriteOutcome::Ambiguous);
    CHECK(error_of([&] {
              scene.bucket.complete_upload("k", id, parts, {}, kOurs, scene.run);
          }).starts_with("unavailable"));
}

TEST_CASE("complete: gaps, repeats and no parts are refused before anything is sent", "[unit][s3]") {
    Scene scene;
    Upload mine(scene.bucket, "k", {}, scene.run);
    CHECK(error_of([&] { mine.complete({}, {}, scene.run); }).starts_with("invalid-input"));
    mine.part(1, as_bytes("a"), scene.run);
    mine.part(3, as_bytes("c"), scene.run);
    CHECK(error_of([&] { mine.complete({}, {}, scene.run); }).find("part 2") != std::string::npos);
    CHECK(error_of([&] { mine.part(10'001, as_bytes("z"), scene.run); }).starts_with("invalid-input"));
    CHECK(scene.store.count("CompleteMultipartUpload") == 0);
}

TEST_CASE("copy: ranges of another object become parts, guarded by its ETag", "[unit][s3]") {
    Scene scene;
    scene.store.put("old:1+2 ü.tar", "0123456789");
    const std::string etag = scene.store.find("old:1+2 ü.tar")->etag;
    Upload mine(scene.bucket, "new", {}, scene.run);
    mine.take(mine.copy_part(1, "old:1+2 ü.tar", etag, 2, 5, scene.run));
    mine.part(2, as_bytes("-new"), scene.run);
    CHECK(mine.complete({}, {}, scene.run).outcome == WriteOutcome::Done);
    CHECK(scene.content("new") == "23456-new");
    CHECK(scene.last("CompleteMultipartUpload").headers.at("x-amz-checksum-crc64nvme") ==
          crc64nvme_header(crc64nvme(as_bytes("23456-new"))));

    Upload other(scene.bucket, "new2", {}, scene.run);
    scene.store.put("old:1+2 ü.tar", "changed!!!");
    CHECK(error_of([&] { (void)other.copy_part(1, "old:1+2 ü.tar", etag, 2, 5, scene.run); }).starts_with("conflict"));
    scene.store.fail("UploadPartCopy", S3Fault::ErrorIn200);
    CHECK_NOTHROW((void)other.copy_part(1, "old:1+2 ü.tar", "", 0, 3, scene.run));
}

TEST_CASE("copy: a store whose conditions on sources fail is found out, and the source compared by HEAD",
          "[unit][s3]") {
    Scene scene({.fails_guarded_copies = true});
    scene.store.put("old", "0123456789");
    const std::string etag = scene.store.find("old")->etag;
    const std::string id = scene.bucket.create_upload("new", {}, scene.run);
    CHECK(scene.bucket.copy_part("new", id, 1, "old", etag, 0, 4, scene.run).size == 4);
    CHECK(scene.bucket.copy_part("new", id, 2, "old", etag, 4, 4, scene.run).size == 4);
    CHECK(scene.store.count("UploadPartCopy") == 3);
    scene.store.put("old", "changed!!!");
    CHECK(
        error_of([&] { scene.bucket.copy_part("new", id, 3, "old", etag, 0, 4, scene.run); }).starts_with("conflict"));
}

TEST_CASE("abort: until the store says that it is gone, an unknown upload is no error", "[unit][s3]") {
    Scene scene;
    const std::string id = begin_ours(scene);
    scene.bucket.abort_upload("k", id, scene.run);
    CHECK(scene.store.pending_uploads() == 0);
    CHECK(scene.store.count("ListParts") == 1);
    CHECK_NOTHROW(scene.bucket.abort_upload("k", "never-was", scene.run));
}

TEST_CASE("pending uploads: all pages below the prefix", "[unit][s3]") {
    FakeS3Options options;
    options.page = 2;
    SECTION("encoded as AWS does") {}
    SECTION("encoded without saying so") {
        options.encodes_silently = true;
    }
    SECTION("never encoded") {
        options.never_encodes = true;
    }
    Scene scene(options);
    for (const char* key : {"p/a b", "p/a b", "p/c+d", "p/e%f", "p/g", "q"}) {
        (void)scene.bucket.create_upload(key, {}, scene.run);
    }
    const auto pending = scene.bucket.pending_uploads("p/", scene.run);
    REQUIRE(pending.size() == 5);
    CHECK(pending[0].key == "p/a b");
    CHECK(pending[2].key == "p/c+d");
    CHECK(pending[3].key == "p/e%f");
    CHECK(pending[0].upload_id != pending[1].upload_id);
    CHECK(pending[0].initiated == scene.clock.now_seconds());
}
