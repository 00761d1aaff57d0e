// The objects of a delivery in a bucket: their headers and metadata, and the small ones (private).
#pragma once

#include "cooper/delivery/place.hpp"
#include "cooper/s3/bucket.hpp"

#include <string>

namespace cooper::delivery {

/// Metadata of a tarball's object that says which plan it is of; empty: none, or nothing that could be one.
std::string identity_of(const s3::ObjectInfo& info);
/// All that an object's metadata says.
TarballFacts facts_of_object(const s3::ObjectInfo& info);
s3::ObjectHeaders tarball_headers(const std::string& key, const TarballFacts& known);
/// What complete_upload() finds the object by after a lost answer.
std::map<std::string, std::string> expected_metadata(const TarballFacts& facts);

/// Where the facts lie that are known at an upload's end only.
std::string facts_key(const std::string& tarball_key, const std::string& identity);
void put_facts(s3::Bucket& bucket, const std::string& tarball_key, TarballFacts facts, const Run& run);

s3::ObjectHeaders text_headers(const std::string& key);
/// A small object, whatever was there.
void put_plain(s3::Bucket& bucket, const std::string& key, const std::string& text, const Run& run);

}  // namespace cooper::delivery
