// Entries of an index.json, and graphs that begin at one: alike for layouts on disk and in a tar (private).
#pragma once

#include "cooper/oci/graph.hpp"
#include "cooper/oci/layout.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// {"imageLayoutVersion":"1.0.0"}: the whole of `oci-layout`.
inline constexpr std::string_view kLayoutDocument = R"({"imageLayoutVersion":"1.0.0"})";
inline constexpr std::size_t kMaxLayoutDocument = 4096;

/// Throws Error{InvalidInput} unless `text` says that it is a layout of version 1.
void check_layout_document(const std::string& text);

/// "blobs/sha256/HEX", the place of a blob in every layout.
std::string blob_path(const Digest& digest);

/// An index.json. Unlike an index below it may have `"manifests":null`, as new layouts of umoci do.
Index parse_index_json(const std::string& text);

/// True when `entry` is what `name` means by itself (by annotations, not by digest or position).
bool is_entry_called(const Descriptor& entry, std::string_view name);

/// What may stand in an index.json as a name: 1 to 1,024 bytes of UTF-8 without control characters, not beginning with
/// "@". Throws Error{InvalidInput}.
void check_entry_name(std::string_view name);

/// The annotations by which an entry has `name`: ref.name, and containerd's when it is a reference with a repository.
std::vector<std::pair<std::string, std::string>> naming_annotations(std::string_view name);

/// choose_entry(), and a digest is also looked for below the indexes that `blobs` has.
Descriptor find_entry(const Index& index, std::string_view which, const Blobs& blobs, const Run& run);

/// The graph of that entry; manifests are verified.
Graph graph_of_entry(const Index& index, std::string_view which, std::shared_ptr<const Blobs> blobs, const Run& run);

/// The document that `descriptor` names, from `blobs`: verified.
ClassifiedManifest read_manifest(const Descriptor& descriptor, const Blobs& blobs, const Run& run);

}  // namespace cooper::oci
