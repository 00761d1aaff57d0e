// Signature checks of the fake store: Signature Version 4 written a second time, from the server's side.
#pragma once

#include "support/fake_s3.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace cooper::testing::s3_auth {

/// What a signature says that it covers.
struct Claim {
    std::string access_key;
    std::string date;  ///< 20130524
    std::string region;
    std::string service;
    std::string signed_headers;
    std::string signature;
    std::string time;  ///< 20130524T000000Z
};

std::optional<Claim> header_claim(const FakeS3::Request& request);
std::optional<Claim> query_claim(const FakeS3::Request& request);
/// The signature that this request should have.
std::string expected_signature(const FakeS3::Request& request, const Claim& claim, const std::string& secret);
/// Raw query pairs as sent, still encoded.
std::vector<std::pair<std::string, std::string>> raw_query(std::string_view query);

std::string sha256_hex(std::string_view text);
std::string md5_raw(std::string_view text);
/// Bit by bit: slow and obvious.
std::uint64_t crc64nvme(std::string_view text);
std::string crc64_text(std::uint64_t crc);

}  // namespace cooper::testing::s3_auth
