// index.json of a layout on disk, which several processes may change at once (private).
//
// How the lock works: whoever changes index.json holds flock(2) LOCK_EX on the empty file ".index.json.lock" beside it,
// from before it reads index.json until the new one was renamed into its place. The lock file is made when it is first
// needed and never removed: two processes could then hold locks on two files of that name. The kernel frees the lock
// when its holder ends, in whatever way. Each IndexLock opens the file anew, so threads of one process exclude each
// other as well. Readers take no lock: rename(2) gives them the old index or the new one. Blobs are written before the
// lock is taken, so that it is held for milliseconds only.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/manifest.hpp"

#include "base/json.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

inline constexpr std::string_view kIndexJson = "index.json";
inline constexpr std::string_view kIndexLock = ".index.json.lock";

/// Held while it lives.
class IndexLock {
public:
    /// Waits for other holders; Error{Unavailable} after a minute (somebody holds it who does not go on), Cancelled
    /// when `run` stops.
    IndexLock(const std::filesystem::path& layout, const Run& run);

private:
    FileDescriptor file_;
};

/// The bytes of index.json as they are now. Throws Error{InvalidInput}: absent, a symlink, too large.
std::string read_index_json(const std::filesystem::path& layout);

/// Reads index.json under the lock, lets `change` edit it, and replaces it when `change` returns true. `manifests` is
/// an array then; all that `change` does not touch stays. What no reader of ours would accept is not written.
bool change_index_json(const std::filesystem::path& layout, const std::function<bool(json::Value& document)>& change,
                       const Run& run);

/// Gives `names` to `root` in `document`: entries that had one of them go, and each name gets an entry; without names
/// one entry without annotations. An entry that is there already stays as it is. False: nothing changed.
bool put_entry(json::Value& document, const RawManifest& root, const std::vector<std::string>& names);

/// Takes the entry `which` (see choose_entry) out of `document`, with a digest all entries of that digest. False: there
/// was none.
bool remove_entry(json::Value& document, std::string_view which);

}  // namespace cooper::oci
