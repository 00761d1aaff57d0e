// Signing, addressing, checksums and XML against vectors of other implementations (tests/golden/s3, see its README.md).
// COOPER_VECTORS names another directory with files of the same shape; a file that is not there is passed over.
#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/sigv4.hpp"

#include "base/json.hpp"
#include "s3/endpoint.hpp"
#include "s3/legacy_hash.hpp"
#include "s3/xml.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <map>

namespace {

using namespace cooper;      // NOLINT(google-build-using-namespace)
using namespace cooper::s3;  // NOLINT(google-build-using-namespace)
using json::Value;

constexpr std::size_t kMaxVectors = 64U << 20;

Value vectors(const std::string& name) {
    const auto other = Environment::process().get("COOPER_VECTORS");
    const std::filesystem::path directory = other ? *other : std::string(COOPER_GOLDEN "/s3");
    const auto text = find_file(directory / name, kMaxVectors);
    if (!text) {
        REQUIRE(other.has_value());
        WARN("no " << name << " in " << directory);
        return Value{{"cases", Value::array()}};
    }
    // Not json::parse: a vector file is no document from outside, and some hold the same member twice on purpose.
    return Value::parse(*text);
}

std::string text_or(const Value& object, const char* key, const std::string& fallback = "") {
    const auto at = object.find(key);
    return at == object.end() || !at->is_string() ? fallback : at->get<std::string>();
}

NameValues pairs(const Value& list) {
    NameValues result;
    for (const Value& pair : list) {
        result.emplace_back(pair.at(0).get<std::string>(), pair.at(1).get<std::string>());
    }
    return result;
}

std::string decoded(const Value& object, const char* key) {
    return from_base64(text_or(object, key)).value();
}

/// "20130524T000000Z" or "2015-08-30T12:36:00Z".
TimePoint timestamp(std::string text) {
    if (text.find('-') == std::string::npos) {
        text = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 5) + ":" + text.substr(11, 2) + ":" +
               text.substr(13);
    }
    return parse_rfc3339(text).value();
}

Credentials credentials_of(const Value& test) {
    const Value& given = test.at("credentials");
    Credentials credentials;
    credentials.access_key_id = text_or(given, "access_key_id");
    credentials.secret_access_key = Secret(text_or(given, "secret_access_key"));
    credentials.session_token = Secret(text_or(given, "session_token", text_or(given, "token")));
    return credentials;
}

std::string region_of(const Value& test) {
    return test.contains("region") ? text_or(test, "region") : text_or(test.at("config"), "region");
}

/// Checks every step of header signing that `expect` tells.
void check_signing(const SignableRequest& request, const Credentials& credentials, const Scope& scope,
                   const Value& expect, const SigningRules& rules = {}) {
    const CanonicalRequest canonical = canonicalize(request, rules);
    CHECK(canonical.text == text_or(expect, "canonical_request", canonical.text));
    const std::string to_sign = string_to_sign(canonical.text, scope);
    CHECK(to_sign == text_or(expect, "string_to_sign", to_sign));
    const std::string signed_hex = signature(signing_key(credentials.secret_access_key, scope), to_sign);
    CHECK(signed_hex == text_or(expect, "signature", text_or(expect, "seed_signature")));
    const std::string header = authorization(credentials, scope, canonical, signed_hex);
    CHECK(header == text_or(expect, "authorization", header));
    CHECK(canonical.signed_header_names == text_or(expect, "signed_header_names", canonical.signed_header_names));
    CHECK(scope.text() == text_or(expect, "scope", scope.text()));
}

SignableRequest signable(const Value& request) {
    SignableRequest result;
    result.method = text_or(request, "method");
    result.path = text_or(request, "raw_path");
    result.query = request.contains("query") ? pairs(request.at("query")) : NameValues{};
    result.headers = pairs(request.at("signed_headers"));
    result.payload_hash = text_or(request, "payload_hash");
    return result;
}

NameValues parse_query(std::string_view query) {
    NameValues result;
    for (const std::string_view part : split(query, '&')) {
        if (!part.empty()) {
            const std::size_t equals = std::min(part.find('='), part.size());
            const std::size_t value = std::min(equals + 1, part.size());
            result.emplace_back(percent_decode(part.substr(0, equals)), percent_decode(part.substr(value)));
        }
    }
    return result;
}

Settings settings_of(const Value& config, const std::string& bucket) {
    Settings settings;
    settings.region = text_or(config, "region", settings.region);
    settings.endpoint = text_or(config, "endpoint");
    settings.dualstack = config.value("use_dualstack_endpoint", false);
    settings.fips = config.value("use_fips_endpoint", false);
    settings.accelerate = config.value("use_accelerate_endpoint", false);
    const std::string style = text_or(config, "addressing_style", "auto");
    // botocore's "auto" goes for custom endpoints as well; ours takes path style there, so say which one is meant.
    const bool dotted = bucket.find('.') != std::string::npos && !settings.endpoint.starts_with("http:");
    const bool virtual_host = style == "virtual" || (style == "auto" && is_dns_compatible(bucket) && !dotted);
    settings.addressing = virtual_host ? AddressingStyle::VirtualHost : AddressingStyle::Path;
    return settings;
}

/// The same URL but for the order of the query.
void check_url(const Url& url, const NameValues& query, const std::string& expected_text) {
    const Url expected = Url::parse(expected_text);
    CHECK(url.scheme == expected.scheme);
    CHECK(url.host == expected.host);
    CHECK(url.effective_port() == expected.effective_port());
    CHECK(url.path == expected.path);
    NameValues expected_query = parse_query(expected.query);
    NameValues actual_query = query;
    std::sort(expected_query.begin(), expected_query.end());
    std::sort(actual_query.begin(), actual_query.end());
    CHECK(actual_query == expected_query);
}

/// Where the operation of `test` goes by our own addressing.
Location location_of(const Value& test) {
    const Value& params = test.at("params");
    const std::string bucket = text_or(params, "Bucket");
    Settings settings = settings_of(test.at("config"), bucket);
    if (text_or(test, "op") == "get_bucket_location") {
        settings.addressing = AddressingStyle::Path;  // AWS answers it at any host, so clients ask by path
    }
    return locate(settings, bucket, text_or(params, "Key"));
}

}  // namespace

TEST_CASE("sigv4: requests signed as AWS's generic suite says", "[unit][s3]") {
    const Value file = vectors("aws_sigv4_suite.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "name"));
        const Value& context = test.at("context");
        const Value& given = test.at("request");
        const Credentials credentials = credentials_of(context);
        const Scope scope{timestamp(text_or(context, "timestamp")), text_or(context, "region"),
                          text_or(context, "service")};
        const bool omit_token = context.value("omit_session_token", false);
        const SigningRules rules{.normalise_path = context.value("normalize", false)};
        SignableRequest request;
        request.method = text_or(given, "method");
        // The suite's paths are as on the wire and not encoded, so one encoding makes the canonical form.
        request.path = text_or(given, "path");
        request.query = parse_query(text_or(given, "query"));
        request.headers = pairs(given.at("headers"));
        request.payload_hash = sha256(text_or(given, "body")).hex();

        SignableRequest by_query = request;
        request.headers.emplace_back("X-Amz-Date", format_amz(scope.time));
        if (context.value("sign_body", false)) {
            request.headers.emplace_back("x-amz-content-sha256", request.payload_hash);
        }
        if (!credentials.session_token.empty() && !omit_token) {
            request.headers.emplace_back("X-Amz-Security-Token", credentials.session_token.reveal());
        }
        check_signing(request, credentials, scope, test.at("header"), rules);

        // The same path as a decoded one: encoded for the wire, and once more for the canonical form.
        const std::string plain = percent_decode(request.path);
        if (encode_path(plain) == request.path && !rules.normalise_path) {
            SignableRequest twice = request;
            twice.path = plain;
            check_signing(twice, credentials, scope, test.at("header"), {.double_encode_path = true});
        }

        const std::chrono::seconds expires(context.at("expiration_in_seconds").get<long>());
        const NameValues query = presign_query(by_query, credentials, scope, expires, rules, !omit_token);
        CHECK(query.back() ==
              std::pair<std::string, std::string>("X-Amz-Signature", text_or(test.at("query"), "signature")));
    }
}

TEST_CASE("sigv4: the examples of the S3 manual", "[unit][s3]") {
    const Value file = vectors("s3_docs_examples.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "name"));
        const Scope scope{timestamp(text_or(test, "timestamp")), region_of(test)};
        check_signing(signable(test.at("request")), credentials_of(test), scope, test.at("expect"));
    }
}

TEST_CASE("sigv4: S3 operations signed by headers, and their URLs", "[unit][s3]") {
    const Value file = vectors("s3_header_signed.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "name"));
        const Value& given = test.at("request");
        const Scope scope{timestamp(text_or(test, "timestamp")), region_of(test)};
        const SignableRequest request = signable(given);
        check_signing(request, credentials_of(test), scope, test.at("expect"));

        const Location location = location_of(test);
        CHECK(location.path == request.path);
        CHECK(location.url.authority() == text_or(given, "host"));
        check_url(location.url, parse_query(encode_query(request.query)), text_or(test.at("expect"), "url"));
    }
}

TEST_CASE("sigv4: presigned URLs", "[unit][s3]") {
    const Value file = vectors("s3_presigned.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "name"));
        const Value& given = test.at("request");
        const Value& expect = test.at("expect");
        const Credentials credentials = credentials_of(test);
        const Scope scope{timestamp(text_or(test, "timestamp")), region_of(test)};
        const Location location = location_of(test);
        CHECK(location.path == text_or(given, "raw_path"));
        SignableRequest request;
        request.method = text_or(test, "method");
        request.path = location.path;
        request.query = pairs(given.at("query_before_signing"));
        request.headers = pairs(given.at("signed_headers"));
        request.payload_hash = "UNSIGNED-PAYLOAD";
        const std::chrono::seconds expires(test.at("expires_in").get<long>());
        const NameValues query = presign_query(request, credentials, scope, expires);
        CHECK(query.back().second == text_or(expect, "signature"));
        check_url(location.url, query, text_or(expect, "url"));
    }
}

namespace {

/// The body of an aws-chunked request, signed or not, and the signatures on the way.
struct ChunkedBody {
    std::string wire;
    std::vector<std::string> signatures;
    std::string trailer_signature;
};

std::string hex_number(std::size_t value) {
    std::string text;
    do {
        text.insert(text.begin(), "0123456789abcdef"[value % 16]);
        value /= 16;
    } while (value != 0);
    return text;
}

ChunkedBody chunked(const Value& test, const std::string& data, const std::string& key, const Scope& scope) {
    const bool is_signed = text_or(test.at("request"), "payload_hash").starts_with("STREAMING-AWS4-HMAC-SHA256");
    const auto chunk_size = test.at("chunk_size").get<std::size_t>();
    ChunkedBody body;
    std::string previous = text_or(test.at("expect"), "seed_signature");
    for (std::size_t at = 0;; at += chunk_size) {
        const std::string chunk = at < data.size() ? data.substr(at, chunk_size) : "";
        body.wire += hex_number(chunk.size());
        if (is_signed) {
            previous = chunk_signature(key, scope, previous, sha256(chunk).hex());
            body.signatures.push_back(previous);
            body.wire += ";chunk-signature=" + previous;
        }
        body.wire += "\r\n" + chunk;
        if (chunk.empty()) {
            break;
        }
        body.wire += "\r\n";
    }
    if (test.contains("trailer")) {
        const std::string line =
            test.at("trailer").at(0).get<std::string>() + ":" + test.at("trailer").at(1).get<std::string>();
        body.wire += line + "\r\n";
        if (is_signed) {
            body.trailer_signature = trailer_signature(key, scope, previous, line + "\n");
            body.wire += "x-amz-trailer-signature:" + body.trailer_signature + "\r\n";
        }
    }
    body.wire += "\r\n";
    return body;
}

}  // namespace

TEST_CASE("sigv4: aws-chunked bodies, signed chunk by chunk and with trailers", "[unit][s3]") {
    const Value file = vectors("s3_aws_chunked.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "name"));
        const Value& expect = test.at("expect");
        const Scope scope{timestamp(text_or(test, "timestamp")), region_of(test)};
        const Credentials credentials = credentials_of(test);
        check_signing(signable(test.at("request")), credentials, scope, expect);

        const std::string data = test.contains("data") ? std::string(test.at("data").at("count").get<std::size_t>(),
                                                                     text_or(test.at("data"), "repeat").at(0))
                                                       : decoded(test, "data_b64");
        const ChunkedBody body = chunked(test, data, signing_key(credentials.secret_access_key, scope), scope);
        if (expect.contains("chunks")) {
            REQUIRE(body.signatures.size() == expect.at("chunks").size());
            for (std::size_t i = 0; i < body.signatures.size(); ++i) {
                CHECK(body.signatures[i] == text_or(expect.at("chunks").at(i), "signature"));
            }
        }
        if (expect.contains("trailer")) {
            CHECK(body.trailer_signature == text_or(expect.at("trailer"), "signature"));
        }
        CHECK(body.wire.size() == expect.value("wire_length", body.wire.size()));
        CHECK(to_base64(as_bytes(body.wire)) == text_or(expect, "wire_b64", to_base64(as_bytes(body.wire))));
        CHECK(sha256(body.wire).hex() == text_or(expect, "wire_sha256", std::string(sha256(body.wire).hex())));
        if (test.contains("trailer") && test.at("trailer").at(0) == "x-amz-checksum-crc64nvme") {
            CHECK(crc64nvme_header(crc64nvme(as_bytes(data))) == test.at("trailer").at(1));
        }
    }
}

TEST_CASE("checksum: values of whole objects and of objects in parts", "[unit][s3]") {
    const Value file = vectors("s3_checksums.json");
    for (const Value& test : file.value("objects", Value::array())) {
        INFO(text_or(test, "name"));
        const std::string data = decoded(test, "data_b64");
        CHECK(crc64nvme_header(crc64nvme(as_bytes(data))) == text_or(test, "crc64nvme"));
        const std::string md5 = legacy_hash(LegacyHash::Md5, as_bytes(data));
        CHECK(to_base64(as_bytes(md5)) == text_or(test, "md5_b64"));
        CHECK("\"" + to_hex(as_bytes(md5)) + "\"" == text_or(test, "etag"));
        CHECK(to_base64(as_bytes(legacy_hash(LegacyHash::Sha1, as_bytes(data)))) == text_or(test, "sha1"));
        CHECK(to_base64(as_bytes(from_hex(sha256(data).hex()).value())) == text_or(test, "sha256"));
    }
    for (const Value& test : file.value("multipart", Value::array())) {
        INFO(text_or(test, "name"));
        std::uint64_t whole = 0;
        std::vector<std::string> etags;
        std::size_t index = 0;
        for (const Value& part : test.at("parts_b64")) {
            const std::string data = from_base64(part.get<std::string>()).value();
            const std::uint64_t crc = crc64nvme(as_bytes(data));
            CHECK(crc64nvme_header(crc) == text_or(test.at("part_checksums").at(index++), "crc64nvme"));
            whole = crc64nvme_combine(whole, crc, data.size());
            etags.push_back("\"" + to_hex(as_bytes(legacy_hash(LegacyHash::Md5, as_bytes(data)))) + "\"");
        }
        CHECK(crc64nvme_header(whole) == text_or(test.at("full_object"), "crc64nvme"));
        CHECK(multipart_etag(etags) == text_or(test, "multipart_etag"));
    }
}

TEST_CASE("xml: bodies of real servers", "[unit][s3]") {
    const Value file = vectors("s3_xml_bodies.json");
    for (const Value& test : file.at("cases")) {
        INFO(text_or(test, "server") << " " << text_or(test, "name"));
        const Value& expect = test.at("expect");
        const auto root = xml::try_parse(text_or(test, "body"));
        if (!expect.contains("root")) {
            CHECK_FALSE(root.has_value());
            continue;
        }
        REQUIRE(root.has_value());
        for (const auto& [name, value] : expect.items()) {
            CHECK((name == "root" ? root->name : std::string(root->text_of(name))) == value.get<std::string>());
        }
    }
}
