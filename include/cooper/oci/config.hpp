// The image config: raw bytes kept, the members that cooper needs read. OCI image specification 1.1, config.md.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/digest.hpp"
#include "cooper/oci/platform.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::oci {

struct Config {
    std::string raw;               ///< exact bytes; their SHA-256 is the image ID
    Platform platform;             ///< normalised
    std::vector<Digest> diff_ids;  ///< of the uncompressed layers, base first
    std::optional<TimePoint> created;
    std::size_t non_empty_history = 0;
    bool has_history = false;

    /// Throws Error{InvalidInput} naming the member; history with another count of non-empty entries than diff_ids is
    /// refused.
    static Config parse(std::string raw);
    [[nodiscard]] Digest image_id() const;
};

}  // namespace cooper::oci
