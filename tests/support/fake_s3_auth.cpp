#include "support/fake_s3_auth.hpp"

#include "cooper/base/text.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>

namespace cooper::testing::s3_auth {

namespace {

std::string digest(const EVP_MD* algorithm, std::string_view text) {
    std::string raw(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(raw.data()), &length, algorithm, nullptr);
    raw.resize(length);
    return raw;
}

std::string hmac(const std::string& key, const std::string& text) {
    std::string raw(EVP_MAX_MD_SIZE, '\0');
    unsigned int length = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
         text.size(), reinterpret_cast<unsigned char*>(raw.data()), &length);
    raw.resize(length);
    return raw;
}

/// The text between `name` and the next comma or the end.
std::string field(const std::string& header, const std::string& name) {
    const std::size_t at = header.find(name);
    if (at == std::string::npos) {
        return {};
    }
    const std::size_t from = at + name.size();
    return header.substr(from, header.find(',', from) - from);
}

std::optional<Claim> claim_of(const std::string& credential, Claim claim) {
    const auto parts = split(credential, '/');
    if (parts.size() != 5 || parts[4] != "aws4_request" || claim.signature.empty()) {
        return std::nullopt;
    }
    claim.access_key = parts[0];
    claim.date = parts[1];
    claim.region = parts[2];
    claim.service = parts[3];
    return claim;
}

std::string squeezed(std::string_view value) {
    std::string result;
    for (const char c : trim(value)) {
        if (c != ' ' || !result.ends_with(' ')) {
            result += c;
        }
    }
    return result;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> raw_query(std::string_view query) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (const std::string_view part : split(query, '&')) {
        if (!part.empty()) {
            const std::size_t equals = std::min(part.find('='), part.size());
            pairs.emplace_back(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
        }
    }
    return pairs;
}

std::optional<Claim> header_claim(const FakeS3::Request& request) {
    const auto header = request.headers.find("authorization");
    if (header == request.headers.end() || !header->second.starts_with("AWS4-HMAC-SHA256 ")) {
        return std::nullopt;
    }
    Claim claim;
    claim.signed_headers = field(header->second, "SignedHeaders=");
    claim.signature = field(header->second, "Signature=");
    const auto date = request.headers.find("x-amz-date");
    claim.time = date == request.headers.end() ? "" : date->second;
    return claim_of(field(header->second, "Credential="), claim);
}

std::optional<Claim> query_claim(const FakeS3::Request& request) {
    Claim claim;
    std::string credential;
    for (const auto& [name, value] : raw_query(request.query)) {
        const std::string text = percent_decode(value);
        if (name == "X-Amz-Credential") {
            credential = text;
        } else if (name == "X-Amz-SignedHeaders") {
            claim.signed_headers = text;
        } else if (name == "X-Amz-Signature") {
            claim.signature = text;
        } else if (name == "X-Amz-Date") {
            claim.time = text;
        }
    }
    return claim_of(credential, claim);
}

std::string expected_signature(const FakeS3::Request& request, const Claim& claim, const std::string& secret) {
    auto query = raw_query(request.query);
    query.erase(
        std::remove_if(query.begin(), query.end(), [](const auto& pair) { return pair.first == "X-Amz-Signature"; }),
        query.end());
    std::sort(query.begin(), query.end());
    std::string canonical = request.method + "\n" + request.path + "\n";
    for (std::size_t i = 0; i < query.size(); ++i) {
        canonical += (i == 0 ? "" : "&") + query[i].first + "=" + query[i].second;
    }
    canonical += "\n";
    for (const std::string_view name : split(claim.signed_headers, ';')) {
        const auto header = request.headers.find(std::string(name));
        canonical += std::string(name) + ":" + (header == request.headers.end() ? "" : squeezed(header->second)) + "\n";
    }
    const auto payload = request.headers.find("x-amz-content-sha256");
    canonical +=
        "\n" + claim.signed_headers + "\n" + (payload == request.headers.end() ? "UNSIGNED-PAYLOAD" : payload->second);
    const std::string scope = claim.date + "/" + claim.region + "/s3/aws4_request";
    const std::string to_sign = "AWS4-HMAC-SHA256\n" + claim.time + "\n" + scope + "\n" + sha256_hex(canonical);
    const std::string key = hmac(hmac(hmac(hmac("AWS4" + secret, claim.date), claim.region), "s3"), "aws4_request");
    return to_hex(as_bytes(hmac(key, to_sign)));
}

std::string sha256_hex(std::string_view text) {
    return to_hex(as_bytes(digest(EVP_sha256(), text)));
}

std::string md5_raw(std::string_view text) {
    return digest(EVP_md5(), text);
}

std::uint64_t crc64nvme(std::string_view text) {
    std::uint64_t crc = ~0ULL;
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x9A6C9329AC4BC9B5ULL : 0);
        }
    }
    return ~crc;
}

std::string crc64_text(std::uint64_t crc) {
    std::string raw;
    for (int shift = 56; shift >= 0; shift -= 8) {
        raw += static_cast<char>(static_cast<unsigned char>(crc >> shift));
    }
    return to_base64(as_bytes(raw));
}

}  // namespace cooper::testing::s3_auth
