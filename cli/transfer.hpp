// What the verbs that move images have in common: their flags, and how they tell what was done.
#pragma once

#include "cooper/oci/copy.hpp"

#include "archive_flags.hpp"
#include "connection_flags.hpp"
#include "output.hpp"
#include "session.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::cli {

struct TransferFlags {
    bool all_platforms = false;
    std::optional<oci::Platform> platform;
    oci::WriteOptions write;

    /// --all-platforms and --platform.
    void declare_platforms(CommandLine& line);
    /// --layers, --format, --deep: only archives and engines have use for them.
    void declare_archive(CommandLine& line);
    /// Throws UsageError for flags that exclude each other.
    void check() const;
};

/// "sent", "reused", digest and the rest, as text or JSON.
void report_transfer(const OutputFlags& output, const oci::PlaceName& to, const std::vector<oci::OpenedPlace>& from,
                     const oci::WrittenPlace& written);
Json transfer_json(const oci::PlaceName& to, const std::vector<oci::OpenedPlace>& from,
                   const oci::WrittenPlace& written);
std::string transfer_text(const oci::PlaceName& to, const oci::WrittenPlace& written);

}  // namespace cooper::cli
