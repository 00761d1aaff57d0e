// Parts that the store has already: listed, compared, copied, and the uploads that are gone on with.
#include "cooper/base/text.hpp"
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "s3/legacy_hash.hpp"
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

/// A store that gives one answer, whatever is asked.
class OneAnswer final : public HttpClient {
public:
    explicit OneAnswer(std::string body) : body_(std::move(body)) {}
    HttpResponse send(const HttpRequest& /*request*/, const Run& /*run*/) override {
        HttpResponse response;
        response.status = 200;
        response.body = MemoryRanged(body_).open();
        return response;
    }

private:
    std::string body_;
};

std::string listing_error(const std::string& inner) {
    OneAnswer http("<ListPartsResult>" + inner + "</ListPartsResult>");
    const auto provider = make_fixed_credentials(fake_credentials());
    Bucket bucket("bucket", fake_settings(), http, *provider);
    FakeClock clock;
    Notices notices;
    return error_of([&] { (void)bucket.list_parts("k", "id", Run{{}, &clock, &notices}); });
}

std::string listed(const std::string& number, const std::string& size, const std::string& etag) {
    return "<Part><PartNumber>" + number + "</PartNumber><Size>" + size + "</Size><ETag>" + etag + "</ETag></Part>";
}

std::string md5(std::string_view text) {
    return to_hex(as_bytes(legacy_hash(LegacyHash::Md5, as_bytes(text))));
}

std::string copy_error(Scene& scene, const std::string& upload_id, const std::string& etag) {
    return error_of([&] { (void)scene.bucket.copy_part("new", upload_id, 1, "old", etag, 2, 4, scene.run); });
}

}  // namespace

TEST_CASE("list parts: all pages, with sizes, ETags and checksums", "[unit][s3]") {
    Scene scene;
    const std::string id = scene.bucket.create_upload("a:b +ü", {}, scene.run);
    constexpr std::uint32_t kParts = 1003;
    for (std::uint32_t number = 1; number <= kParts; ++number) {
        scene.bucket.upload_part("a:b +ü", id, number * 2, as_bytes(std::to_string(number)), scene.run);
    }
    const auto parts = scene.bucket.list_parts("a:b +ü", id, scene.run);
    REQUIRE(parts);
    REQUIRE(parts->size() == kParts);
    CHECK(scene.store.count("ListParts") == 2);
    for (std::uint32_t i = 0; i < kParts; ++i) {
        const UploadedPart& part = (*parts)[i];
        const std::string text = std::to_string(i + 1);
        REQUIRE(part.number == (i + 1) * 2);
        REQUIRE(part.size == text.size());
        REQUIRE(part.etag == "\"" + md5(text) + "\"");
        REQUIRE(part.crc64 == crc64nvme(as_bytes(text)));
    }
}

TEST_CASE("list parts: an upload that is not there is an answer, a missing bucket an error", "[unit][s3]") {
    Scene scene({.confuses_uploads = GENERATE(false, true)});
    CHECK_FALSE(scene.bucket.list_parts("k", "never-was", scene.run));
    const std::string id = scene.bucket.create_upload("k", {}, scene.run);
    CHECK(scene.bucket.list_parts("k", id, scene.run)->empty());
    scene.store.change([](FakeS3Options& options) { options.bucket = "other"; });
    CHECK(error_of([&] { (void)scene.bucket.list_parts("k", id, scene.run); }).starts_with("not-found"));
}

TEST_CASE("list parts: a listing that cannot be true is refused", "[unit][s3]") {
    const std::string good = listed("1", "5", "e");
    const std::string bad = GENERATE_COPY(
        listed("0", "5", "e"), listed("10001", "5", "e"), listed("-1", "5", "e"), listed("", "5", "e"),
        listed("18446744073709551617", "5", "e"), listed("1", "", "e"), listed("1", "-5", "e"), listed("1", "1e3", "e"),
        listed("1", "5", ""), good + good, good + "<IsTruncated>true</IsTruncated>",
        good + "<IsTruncated>true</IsTruncated><NextPartNumberMarker>0</NextPartNumberMarker>",
        "<IsTruncated>true</IsTruncated><NextPartNumberMarker>10001</NextPartNumberMarker>",
        "<IsTruncated>true</IsTruncated><NextPartNumberMarker>7</NextPartNumberMarker>", good + "<Part>");
    INFO(bad);
    CHECK(listing_error(bad).starts_with("unavailable: listing the parts of the upload of s3://bucket/k"));
    CHECK(listing_error(good).empty());
}

TEST_CASE("part holds: the checksum decides where it is told, else the MD5", "[unit][s3]") {
    const Bytes bytes = as_bytes("content");
    const std::uint64_t crc = crc64nvme(bytes);
    const std::string sum = md5("content");
    CHECK(part_holds({1, "opaque", 7, crc}, bytes));
    CHECK(part_holds({1, "opaque", 7, crc}, bytes, crc));
    CHECK_FALSE(part_holds({1, sum, 7, crc + 1}, bytes));
    CHECK_FALSE(part_holds({1, sum, 8, crc}, bytes));
    CHECK(part_holds({1, "\"" + sum + "\"", 7, std::nullopt}, bytes));
    CHECK(part_holds({1, sum, 7, std::nullopt}, bytes));
    CHECK_FALSE(part_holds({1, sum, 8, std::nullopt}, bytes));
    CHECK_FALSE(part_holds({1, md5("other"), 7, std::nullopt}, bytes));
    CHECK_FALSE(part_holds({1, sum + "-1", 7, std::nullopt}, bytes));
    CHECK_FALSE(part_holds({1, "", 7, std::nullopt}, bytes));

    CHECK(part_holds({1, "opaque", 7, crc}, 7, crc));
    CHECK_FALSE(part_holds({1, "opaque", 7, crc}, 8, crc));
    CHECK_FALSE(part_holds({1, "opaque", 7, crc}, 7, crc + 1));
    CHECK_FALSE(part_holds({1, sum, 7, std::nullopt}, 7, crc));
}

TEST_CASE("resume: what is there is taken, what is missing is sent, and the whole is proved", "[unit][s3]") {
    Scene scene;
    ObjectHeaders headers;
    headers.metadata = {{"id", "ours"}};
    std::string id;
    {
        Upload cut(scene.bucket, "k", headers, scene.run);
        cut.part(1, as_bytes("one-"), scene.run);
        cut.part(3, as_bytes("three"), scene.run);
        cut.leave_open();
        id = cut.upload_id();
    }
    CHECK(scene.store.pending_uploads() == 1);

    Bucket later("bucket", fake_settings(), *scene.http, *scene.provider);  // has learnt nothing of the store yet
    const auto upload = Upload::resume(later, "k", id, scene.run);
    REQUIRE(upload);
    CHECK(upload->upload_id() == id);
    REQUIRE(upload->found().size() == 2);
    CHECK(upload->found()[1].number == 3);
    CHECK(error_of([&] { upload->complete({}, {}, scene.run); }).starts_with("invalid-input"));
    for (const UploadedPart& part : upload->found()) {
        upload->take(part);
    }
    upload->part(2, as_bytes("two-"), scene.run);
    CHECK(upload->complete({}, {}, scene.run).outcome == WriteOutcome::Done);
    CHECK(scene.content("k") == "one-two-three");
    CHECK(scene.store.find("k")->headers.at("x-amz-meta-id") == "ours");
    CHECK(scene.store.count("UploadPart") == 3);
    CHECK(scene.last("CompleteMultipartUpload").headers.at("x-amz-checksum-crc64nvme") ==
          crc64nvme_header(crc64nvme(as_bytes("one-two-three"))));
}

TEST_CASE("resume: one that is dropped again is aborted unless told to stay, one that is gone is none", "[unit][s3]") {
    Scene scene({.confuses_uploads = GENERATE(false, true)});
    const std::string id = scene.bucket.create_upload("k", {}, scene.run);
    {
        const auto stays = Upload::resume(scene.bucket, "k", id, scene.run);
        stays->leave_open();
    }
    CHECK(scene.store.pending_uploads() == 1);
    CHECK(Upload::resume(scene.bucket, "k", id, scene.run));
    CHECK(scene.store.pending_uploads() == 0);
    CHECK(Upload::resume(scene.bucket, "k", id, scene.run) == nullptr);
}

TEST_CASE("upload: a part that is given again replaces the first, and a wrong sum of the whole is refused",
          "[unit][s3]") {
    Scene scene;
    Upload upload(scene.bucket, "k", {}, scene.run);
    upload.part(1, as_bytes("wrong"), scene.run);
    upload.part(1, as_bytes("right"), scene.run);
    upload.take(with_crc64(scene.bucket.list_parts("k", upload.upload_id(), scene.run)->front(),
                           crc64nvme(as_bytes("what it has to be"))));
    CHECK(error_of([&] { upload.complete({}, {}, scene.run); }).starts_with("integrity"));
    upload.part(1, as_bytes("right"), scene.run);
    CHECK(upload.complete({}, {}, scene.run).outcome == WriteOutcome::Done);
    CHECK(scene.content("k") == "right");
}

TEST_CASE("upload gone: told apart from everything else, whatever the store's word for it", "[unit][s3]") {
    Scene scene({.confuses_uploads = GENERATE(false, true)});
    scene.store.put("old", "0123456789");
    Upload upload(scene.bucket, "new", {}, scene.run);
    upload.part(1, as_bytes("part"), scene.run);
    scene.bucket.abort_upload("new", upload.upload_id(), scene.run);

    CHECK_THROWS_AS(upload.part(2, as_bytes("part"), scene.run), UploadGone);
    CHECK_THROWS_AS((void)upload.copy_part(2, "old", "", 0, 5, scene.run), UploadGone);
    CHECK_THROWS_AS(upload.complete({}, {}, scene.run), UploadGone);
    CHECK_THROWS_AS(upload.complete(WriteCondition::if_absent(), {}, scene.run), UploadGone);
    try {
        upload.part(2, as_bytes("part"), scene.run);
    } catch (const UploadGone& gone) {
        CHECK(gone.upload_id() == upload.upload_id());
        CHECK(gone.code() == ErrorCode::Conflict);
        CHECK(std::string(gone.what()).starts_with("writing part 2 of s3://bucket/new"));
    }
    scene.store.change([](FakeS3Options& options) { options.bucket = "other"; });
    CHECK(error_of([&] { upload.part(2, as_bytes("part"), scene.run); }).starts_with("not-found"));
    CHECK(error_of([&] { upload.complete({}, {}, scene.run); }).starts_with("not-found"));
}

TEST_CASE("upload gone: with If-Match, a word that fits the object too is the condition's", "[unit][s3]") {
    Scene scene({.confuses_uploads = true});
    const std::vector<UploadedPart> parts{{1, "\"e\"", 4, std::nullopt}};
    CHECK(scene.bucket.complete_upload("k", "never-was", parts, WriteCondition::if_match("\"x\""), {}, scene.run)
              .outcome == WriteOutcome::ConditionFailed);
}

TEST_CASE("copy: a refusal says that the bytes have to be sent", "[unit][s3]") {
    Scene scene;
    scene.store.put("old", "0123456789");
    const std::string etag = scene.store.find("old")->etag;
    const std::string id = scene.bucket.create_upload("new", {}, scene.run);
    const auto [status, code] = GENERATE(table<int, std::string>({{501, "NotImplemented"},
                                                                  {501, ""},
                                                                  {405, "MethodNotAllowed"},
                                                                  {400, "InvalidRequest"},
                                                                  {400, "InvalidArgument"},
                                                                  {403, "AccessDenied"},
                                                                  {416, "InvalidRange"}}));
    INFO(status << " " << code);
    scene.store.change([&](FakeS3Options& options) {
        options.copy_status = status;
        options.copy_code = code;
    });
    const std::string error = copy_error(scene, id, etag);
    CHECK(error.starts_with("unsupported: copying from s3://bucket/old into part 1 of s3://bucket/new"));
    CHECK(error.find(std::to_string(status)) != std::string::npos);
    CHECK(scene.store.count("UploadPartCopy") == 1);
    CHECK(copy_error(scene, id, "").starts_with("unsupported"));
}

TEST_CASE("copy: trouble that passes is waited out, trouble that stays is unavailable", "[unit][s3]") {
    Scene scene;
    scene.store.put("old", "0123456789");
    const std::string etag = scene.store.find("old")->etag;
    const std::string id = scene.bucket.create_upload("new", {}, scene.run);
    for (const S3Fault fault : {S3Fault::SlowDown, S3Fault::InternalError, S3Fault::ErrorIn200, S3Fault::EmptyIn200,
                                S3Fault::LostReply, S3Fault::CutBody, S3Fault::RequestTimeout, S3Fault::ExpiredToken}) {
        scene.store.fail("UploadPartCopy", fault);
        CHECK(copy_error(scene, id, etag).empty());
    }
    scene.store.fail("UploadPartCopy", S3Fault::ErrorIn200, 100);
    CHECK(copy_error(scene, id, etag).starts_with("unavailable"));
    CHECK(part_holds(scene.bucket.list_parts("new", id, scene.run)->front(), as_bytes("2345")));
}

TEST_CASE("copy: a wrong region is learnt from it, as from any request", "[unit][s3]") {
    Scene scene({.region = "eu-west-3"});
    scene.store.put("old", "0123456789");
    CHECK_THROWS_AS(scene.bucket.copy_part("new", "never-was", 1, "old", "", 0, 4, scene.run), UploadGone);
}

TEST_CASE("copy: a source that is gone or was replaced is a conflict, or is seen in what was copied", "[unit][s3]") {
    Scene scene({.confuses_uploads = GENERATE(false, true)});
    scene.store.put("old", "0123456789");
    const std::string etag = scene.store.find("old")->etag;
    const std::string id = scene.bucket.create_upload("new", {}, scene.run);
    scene.store.put("old", "01changed!");
    CHECK(copy_error(scene, id, etag).starts_with("conflict"));
    scene.store.put("old", "01");
    CHECK(copy_error(scene, id, etag).starts_with("conflict"));
    scene.store.change([](FakeS3Options& options) { options.ignores_source_conditions = true; });
    CHECK(copy_error(scene, id, etag).starts_with("conflict"));  // 416
    scene.store.put("old", "01changed!");
    const UploadedPart part = scene.bucket.copy_part("new", id, 1, "old", etag, 2, 4, scene.run);
    CHECK_FALSE(part_holds(part, as_bytes("2345")));
    CHECK(part_holds(part, as_bytes("chan")));
    scene.bucket.remove("old", scene.run);
    CHECK(copy_error(scene, id, etag).starts_with("conflict"));
    CHECK(copy_error(scene, id, "").starts_with("conflict"));
}

TEST_CASE("copy: many at once, through a store that asks for less", "[unit][s3]") {
    Scene scene;
    scene.store.put("old", "0123456789");
    const std::string etag = scene.store.find("old")->etag;
    Upload upload(scene.bucket, "new", {}, scene.run);
    scene.store.set_chaos([count = std::make_shared<std::atomic<unsigned>>(0)](const std::string&, const std::string&) {
        return ++*count % 5 == 0 ? S3Fault::SlowDown : S3Fault::None;
    });
    constexpr std::uint32_t kCopies = 64;
    std::atomic<std::uint32_t> next{1};
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 16; ++i) {
            threads.emplace_back([&] {
                for (std::uint32_t number = next++; number <= kCopies; number = next++) {
                    upload.take(upload.copy_part(number, "old", etag, number % 10, 1, scene.run));
                }
            });
        }
    }
    CHECK(upload.complete({}, {}, scene.run).outcome == WriteOutcome::Done);
    std::string expected;
    for (std::uint32_t number = 1; number <= kCopies; ++number) {
        expected += static_cast<char>('0' + number % 10);
    }
    CHECK(scene.content("new") == expected);
    CHECK(scene.last("CompleteMultipartUpload").headers.contains("x-amz-checksum-crc64nvme"));
}
