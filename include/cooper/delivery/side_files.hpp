// What lies beside the tarballs of a delivery for those who receive it: SHA256SUMS, its signature and the public key,
// VERIFY.txt and load.sh.
#pragma once

#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/delivery/signature.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

inline constexpr std::string_view kVerifyFile = "VERIFY.txt";
inline constexpr std::string_view kLoadFile = "load.sh";

/// A tarball of a delivery as its side files speak of it.
struct DeliveredFile {
    std::string key_name;  ///< its last part in the place, "openhands:latest.tar"
    std::string name;      ///< to save under, "openhands_latest.tar"
    std::uint64_t size = 0;
    Digest sha256;
    std::vector<std::string> repo_tags;  ///< that it loads as
};

/// Plain words and the exact commands for those who check the files by hand. `fingerprint` nullopt: not signed.
/// The same arguments give the same bytes.
std::string verify_text(const std::string& folder, const std::vector<DeliveredFile>& files,
                        const std::optional<Digest>& fingerprint);
/// A POSIX shell script that joins, checks and loads `files`; needs no network. Throws Error{InvalidInput} for a name
/// that could mean something to a shell.
std::string load_script(const std::vector<DeliveredFile>& files);

struct SideFilesResult {
    bool changed = false;       ///< something was written or removed
    std::string checksums_key;  ///< "main/abc1234/SHA256SUMS"; empty: the folder has no tarball with a lock
    std::string signature_key;  ///< empty: not signed
    std::string fingerprint;    ///< "sha256:…" of the key that signed; empty: not signed
};

/// Brings the side files of `folder` ("main/abc1234") in line with the tarballs and locks that lie there, whoever put
/// them there: SHA256SUMS names every tarball that has a lock (colon-free), the locks, VERIFY.txt and load.sh. With a
/// key it is signed. Without one, a signature that still fits stays and one that no longer fits is removed, with a
/// warning. Several publishers may do this at once in any store: each looks again after it wrote. Nothing is written
/// when everything is there already.
/// Throws IntegrityError for a lock that is damaged or not that of the tarball beside it, Error{InvalidInput} for what
/// is no lock, UnknownLockVersion, LostRace when others keep changing the folder.
SideFilesResult write_side_files(Place& place, const std::string& folder, const SigningKey* key, const Run& run);

}  // namespace cooper::delivery
