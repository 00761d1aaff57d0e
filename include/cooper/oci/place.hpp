// Places where images are, named as skopeo names them (containers-transports(5)).
#pragma once

#include "cooper/oci/reference.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// A place by name; nothing is opened yet. A value.
///
///     docker://NAME[:TAG|@DIGEST]   a registry; the prefix may be left out
///     docker-archive:PATH[:NAME:TAG|:@INDEX]
///     docker-daemon:NAME[:TAG]      an engine; also docker-daemon:sha256:ID
///     oci:DIR[:REF]                 an OCI layout; REF is any text without "/" at its start, @INDEX or @sha256:…
///     oci-archive:FILE[:REF]        the same in one tar
///     store:NAME[:TAG]              cooper's local store
///
/// PATH "-" is standard input or output. Our own tarballs have colons in their names, so for what is read the longest
/// path that exists decides where it ends; for what is written the first colon that is followed by a whole reference.
struct PlaceName {
    enum class Kind { Registry, DockerArchive, DockerDaemon, OciLayout, OciArchive, Store };
    enum class Use { Read, Write };

    Kind kind = Kind::Registry;
    std::string path;  ///< of archives and layouts; "-": a standard stream
    std::optional<Reference>
        reference;      ///< Registry, Store; of an archive's image; DockerDaemon unless `which` is its ID
    std::string which;  ///< of layouts (choose_entry), "@N" of archives, "sha256:…" in an engine

    /// Throws Error{InvalidInput}. Read looks at the file system, for paths only.
    static PlaceName parse(std::string_view text, Use use);
    /// As it was, with the prefix.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool is_stream() const noexcept { return path == "-"; }
};

}  // namespace cooper::oci
