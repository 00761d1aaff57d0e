// The bucket against a real server, over real sockets: COOPER_TEST_S3_ENDPOINT, COOPER_TEST_S3_KEY,
// COOPER_TEST_S3_SECRET name it, COOPER_TEST_S3_CHECKS_SIGNATURES=0 says that it takes any signature. Hidden: run by
// the integration suite, which starts one.
#include "cooper/base/environment.hpp"
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "s3/legacy_hash.hpp"
#include "s3/operations.hpp"
#include "s3/scene.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace cooper;               // NOLINT(google-build-using-namespace)
using namespace cooper::s3;           // NOLINT(google-build-using-namespace)
using namespace cooper::s3::testing;  // NOLINT(google-build-using-namespace)

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

/// A new bucket on the server that the environment names.
struct Server {
    Environment environment = Environment::process();
    std::unique_ptr<HttpClient> http = make_http_client({}, environment);
    Notices notices;
    Run run{{}, &system_clock(), &notices};
    Settings settings;
    std::unique_ptr<CredentialsProvider> credentials;
    std::string bucket_name = "cooper-test-" + std::to_string(std::random_device()());
    bool checks_signatures = environment.get("COOPER_TEST_S3_CHECKS_SIGNATURES").value_or("1") != "0";

    Server() {
        const auto endpoint = environment.get("COOPER_TEST_S3_ENDPOINT");
        REQUIRE(endpoint);
        settings.endpoint = *endpoint;
        settings.retry.base = std::chrono::milliseconds(20);
        credentials = make_fixed_credentials(given(environment.get("COOPER_TEST_S3_SECRET").value()));
        Store store(bucket_name, settings, *http, *credentials);
        Call make;
        make.what = "making a bucket";
        make.method = "PUT";
        store.send(make, run);
    }

    [[nodiscard]] Credentials given(const std::string& secret) const {
        return {environment.get("COOPER_TEST_S3_KEY").value(), Secret(secret), Secret(), std::nullopt, "test"};
    }
};

std::string pattern(std::size_t size) {
    std::mt19937_64 random(7);
    std::string text(size, '\0');
    for (char& c : text) {
        c = static_cast<char>(random());
    }
    return text;
}

std::string fetch(Server& server, const Bucket::Presigned& link, int expected_status = 200) {
    HttpRequest request;
    request.url = Url::parse(link.url);
    HttpResponse response = server.http->send(request, server.run);
    CHECK(response.status == expected_status);
    return read_all(*response.body, 100U << 20, "a link's content");
}

}  // namespace

TEST_CASE("server: odd keys are written, read, listed, linked and deleted", "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const std::vector<std::string> keys{"plain",    "a:b c+ü.tar", "a/./b/../c", "a//b",     "100%25",
                                        "what?#x",  "q'\"\\",      "&<>;=@,",    "dir/sub/", "[x]{y}|z^`",
                                        "日本語/🚀", "~!*()$",      "..",         "e\u0301",  "a\tb"};
    for (const std::string& key : keys) {
        INFO(key);
        ObjectHeaders headers;
        headers.content_type = "text/plain";
        headers.metadata = {{"id", "for " + std::to_string(key.size())}};
        CHECK(bucket.put(key, std::make_shared<MemoryRanged>("of " + key), headers, {}, server.run).outcome ==
              WriteOutcome::Done);
        const auto info = bucket.head(key, server.run);
        REQUIRE(info);
        CHECK(info->size == key.size() + 3);
        CHECK(info->metadata.at("id") == "for " + std::to_string(key.size()));
        CHECK(bucket.find_text(key, 1000, server.run)->text == "of " + key);
        CHECK(read_all(*bucket.open(key, 3, server.run), 1000, "it") == key);
        const auto link = bucket.presign_get(key, std::chrono::minutes(10), "a:b.tar", server.run);
        CHECK(fetch(server, link) == "of " + key);
    }
    std::vector<std::string> listed;
    for (const ObjectInfo& info : bucket.list("", server.run)) {
        listed.push_back(info.key);
    }
    std::vector<std::string> sorted = keys;
    std::sort(sorted.begin(), sorted.end());
    std::sort(listed.begin(), listed.end());
    CHECK(listed == sorted);
    for (const std::string& key : keys) {
        bucket.remove(key, server.run);
        CHECK_FALSE(bucket.head(key, server.run));
    }
    CHECK_FALSE(bucket.find_text("missing", 10, server.run));
    CHECK(server.notices.all().empty());
}

TEST_CASE("server: a wrong secret and a changed link are refused", "[.integration]") {
    Server server;
    if (!server.checks_signatures) {
        return;
    }
    const auto wrong = make_fixed_credentials(server.given("not the secret"));
    Bucket stranger(server.bucket_name, server.settings, *server.http, *wrong);
    const std::string error =
        error_of([&] { stranger.put("k", std::make_shared<MemoryRanged>("x"), {}, {}, server.run); });
    CHECK(error.starts_with("access-denied: writing s3://" + server.bucket_name + "/k"));
    CHECK(error.find("SignatureDoesNotMatch") != std::string::npos);

    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    bucket.put("k1", std::make_shared<MemoryRanged>("x"), {}, {}, server.run);
    bucket.put("k2", std::make_shared<MemoryRanged>("y"), {}, {}, server.run);
    auto link = bucket.presign_get("k1", std::chrono::minutes(10), "", server.run);
    link.url.replace(link.url.find("/k1?") + 2, 1, "2");
    (void)fetch(server, link, 403);

    Settings elsewhere = server.settings;
    elsewhere.region = "eu-west-3";
    Bucket lost(server.bucket_name, elsewhere, *server.http, *server.credentials);
    CHECK(lost.find_text("k1", 10, server.run)->text == "x");
}

TEST_CASE("server: a large object in parallel parts, read back whole and in parts", "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const std::string content = pattern(23 * kMiB + 17);
    ObjectHeaders headers;
    headers.content_type = "application/x-tar";
    headers.content_disposition = attachment_disposition("image:1.tar");
    headers.metadata = {{"sha256", "abc"}};
    const WriteResult result =
        upload(bucket, "image:1 +ü.tar", MemoryRanged(content), headers, {}, server.run, 5 * kMiB, 3);
    CHECK(result.outcome == WriteOutcome::Done);
    const auto info = bucket.head("image:1 +ü.tar", server.run);
    REQUIRE(info);
    CHECK(info->size == content.size());
    CHECK(info->metadata.at("sha256") == "abc");
    CHECK((read_all(*bucket.open("image:1 +ü.tar", 0, server.run), 64U << 20, "it") == content));
    CHECK((read_all(*bucket.open("image:1 +ü.tar", 20 * kMiB, server.run), 64U << 20, "it") ==
           content.substr(20 * kMiB)));
    CHECK((fetch(server, bucket.presign_get("image:1 +ü.tar", std::chrono::minutes(10), "image:1.tar", server.run)) ==
           content));

    Upload copy(bucket, "copy", {}, server.run);
    copy.take(copy.copy_part(1, "image:1 +ü.tar", info->etag, 0, 10 * kMiB, server.run));
    copy.part(2, as_bytes("tail"), server.run);
    CHECK(copy.complete({}, {}, server.run).outcome == WriteOutcome::Done);
    CHECK((read_all(*bucket.open("copy", 0, server.run), 64U << 20, "it") == content.substr(0, 10 * kMiB) + "tail"));
}

TEST_CASE("server: unfinished uploads are listed and aborted until gone", "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const std::string id = bucket.create_upload("p/a:b c+d%20.tar", {}, server.run);
    const std::string part = pattern(5 * kMiB);
    bucket.upload_part("p/a:b c+d%20.tar", id, 1, as_bytes(part), server.run);
    const auto pending = bucket.pending_uploads("p/", server.run);
    REQUIRE(pending.size() == 1);
    CHECK(pending[0].key == "p/a:b c+d%20.tar");
    bucket.abort_upload("p/a:b c+d%20.tar", pending[0].upload_id, server.run);
    CHECK(bucket.pending_uploads("p/", server.run).empty());
    CHECK_NOTHROW(bucket.abort_upload("p/a:b c+d%20.tar", id, server.run));
    CHECK_FALSE(bucket.head("p/a:b c+d%20.tar", server.run));
}

TEST_CASE("server: what the probe says of conditional writes is so", "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const ConditionalWrites verdict = bucket.conditional_writes(server.run);
    CHECK(bucket.list("", server.run).empty());
    const auto body = std::make_shared<MemoryRanged>("x");
    if (verdict == ConditionalWrites::Unsupported) {
        CHECK_FALSE(
            error_of([&] { bucket.put("k", body, {}, WriteCondition::if_match("\"x\""), server.run); }).empty());
        return;
    }
    CHECK(bucket.put("k", body, {}, WriteCondition::if_absent(), server.run).outcome == WriteOutcome::Done);
    CHECK(bucket.put("k", body, {}, WriteCondition::if_absent(), server.run).outcome == WriteOutcome::ConditionFailed);
    if (verdict == ConditionalWrites::Supported) {
        const std::string etag = bucket.head("k", server.run)->etag;
        const auto other = std::make_shared<MemoryRanged>("y");
        CHECK(bucket.put("k", other, {}, WriteCondition::if_match(etag), server.run).outcome == WriteOutcome::Done);
        CHECK(bucket.put("k", body, {}, WriteCondition::if_match(etag), server.run).outcome ==
              WriteOutcome::ConditionFailed);
    }
}

TEST_CASE("server: an upload is gone on with, and only what is missing is sent", "[.integration]") {
    Server server;
    const std::string key = "cut:1 +ü.tar";
    const std::string content = pattern(11 * kMiB);
    const Bytes bytes = as_bytes(content);
    const auto part = [bytes](std::uint32_t number) {
        return bytes.subspan((number - 1) * 5 * kMiB, number == 3 ? kMiB : 5 * kMiB);
    };
    std::string upload_id;
    {
        Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
        Upload cut(bucket, key, {}, server.run);
        cut.part(1, part(1), server.run);
        cut.part(2, part(1), server.run);  // not what it has to be
        cut.leave_open();
        upload_id = cut.upload_id();
    }
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const auto again = Upload::resume(bucket, key, upload_id, server.run);
    REQUIRE(again);
    REQUIRE(again->found().size() == 2);
    CHECK(again->found()[0].number == 1);
    CHECK(again->found()[0].size == 5 * kMiB);
    REQUIRE(part_holds(again->found()[0], part(1)));
    CHECK_FALSE(part_holds(again->found()[1], part(2)));
    again->take(with_crc64(again->found()[0], crc64nvme(part(1))));
    again->part(2, part(2), server.run);
    again->part(3, part(3), server.run);
    CHECK(again->complete({}, {}, server.run).outcome == WriteOutcome::Done);
    CHECK((read_all(*bucket.open(key, 0, server.run), 64U << 20, "it") == content));

    const std::string aborted = bucket.create_upload(key, {}, server.run);
    bucket.abort_upload(key, aborted, server.run);
    CHECK_FALSE(Upload::resume(bucket, key, aborted, server.run));
    if (server.checks_signatures) {  // moto answers 500
        CHECK_THROWS_AS(bucket.upload_part(key, aborted, 1, as_bytes("late"), server.run), UploadGone);
        CHECK_THROWS_AS(bucket.complete_upload(key, aborted, {{1, "\"e\"", 4, std::nullopt}}, {}, {}, server.run),
                        UploadGone);
    }
}

TEST_CASE("server: parts are copied from under odd keys, and a source that was replaced is found out",
          "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const std::string content = pattern(6 * kMiB);
    const Bytes wanted = as_bytes(content).subspan(kMiB, 5 * kMiB);
    const std::string upload_id = bucket.create_upload("new", {}, server.run);
    const auto copy = [&](const std::string& key, const std::string& etag) {
        return bucket.copy_part("new", upload_id, 1, key, etag, kMiB, 5 * kMiB, server.run);
    };
    const auto body = std::make_shared<MemoryRanged>(content);
    for (const std::string key : {"a:b c+ü.tar", "100%25 what?#x", "a//b&=;@,'\"", "日本語/~!*()$"}) {
        INFO(key);
        bucket.put(key, body, {}, {}, server.run);
        CHECK(part_holds(copy(key, bucket.head(key, server.run)->etag), wanted));
        bucket.remove(key, server.run);
    }
    bucket.put("old", body, {}, {}, server.run);
    const std::string etag = bucket.head("old", server.run)->etag;
    bucket.put("old", std::make_shared<MemoryRanged>(pattern(8 * kMiB).substr(kMiB)), {}, {}, server.run);
    bool found_out = false;
    try {
        found_out = !part_holds(copy("old", etag), wanted);
    } catch (const Error& error) {
        found_out = error.code() == ErrorCode::Conflict;
    }
    CHECK(found_out);
    bucket.remove("old", server.run);
    CHECK(error_of([&] { (void)copy("old", etag); }).starts_with("conflict"));
    bucket.abort_upload("new", upload_id, server.run);
}

TEST_CASE("server: an object is tagged, or the store says that it has no tags", "[.integration]") {
    Server server;
    Bucket bucket(server.bucket_name, server.settings, *server.http, *server.credentials);
    const std::string key = "a:b c+ü.tar";
    bucket.put(key, std::make_shared<MemoryRanged>("content"), {}, {}, server.run);
    std::map<std::string, std::string> ten;
    for (int i = 0; i < 10; ++i) {
        ten["tag " + std::to_string(i)] = "a+b=c-d.e_f:g/h@i";
    }
    const bool has_tags = bucket.add_tags(key, ten, server.run);
    CHECK(bucket.find_text(key, 1000, server.run)->text == "content");
    if (has_tags) {
        CHECK(bucket.add_tags(key, ten, server.run));
        // An eleventh is one too many only if the ten are still there.
        CHECK(error_of([&] { bucket.add_tags(key, {{"one", "more"}}, server.run); }).starts_with("conflict"));
        CHECK(error_of([&] { bucket.add_tags("missing", {{"one", "more"}}, server.run); }).starts_with("not-found"));
    }
    CHECK((has_tags || server.checks_signatures));  // moto has them
}
