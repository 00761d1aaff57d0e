// Where a bucket lives: AWS's host names, custom endpoints, path and virtual-host style.
#pragma once

#include "cooper/base/http.hpp"
#include "cooper/s3/bucket.hpp"
#include "cooper/s3/sigv4.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cooper::s3 {

/// The suffix of AWS's host names in the region's partition ("amazonaws.com", "amazonaws.com.cn", …).
std::string_view dns_suffix(std::string_view region);

/// 3 to 63 of `a-z 0-9 . -`, ends in a letter or digit, no "..", not an IPv4 address: fit for a host name.
bool is_dns_compatible(std::string_view bucket);

/// Throws Error{InvalidInput} for what cannot be a bucket's name, Error{Unsupported} for buckets that need another
/// protocol (directory buckets, multi-region access points, access points by ARN).
void check_bucket_name(std::string_view bucket);
/// Throws Error{InvalidInput} unless `key` has 1 to 1,024 bytes of UTF-8.
void check_key(std::string_view key);

/// A URL for an object or bucket, and the decoded path that is to be signed for it.
struct Location {
    Url url;           ///< query not yet set
    std::string path;  ///< decoded
};

/// `key` empty: the bucket itself; `bucket` empty: the service.
Location locate(const Settings& settings, std::string_view bucket, std::string_view key);

/// `a-z 0-9 -`, at most 63: may become part of a host name.
bool is_region_name(std::string_view region);

/// The host is one of AWS's own: no habit of lesser stores is assumed, and no check is dropped.
bool is_aws(const Settings& settings);

/// The region in a host name of AWS ("b.s3.eu-west-1.amazonaws.com"); nullopt when there is none.
std::optional<std::string> region_of_host(std::string_view host);

}  // namespace cooper::s3
