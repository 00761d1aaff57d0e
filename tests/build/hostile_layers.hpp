// Layers that try to get out of their root, or to make us hang: what CVEs of other tools have taught.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace cooper::testing {

/// What must come of a case. Harmless: it applies, and nothing outside knows of it. Either: it depends on the system.
enum class Outcome { Refused, Harmless, Either };

/// The place outside that the layers are after: "canary" beside the root, a directory with a file "passwd", a link
/// "link" to it, and a directory "dir" with a file "file".
struct Target {
    std::filesystem::path canary;  ///< absolute
    std::string relative;          ///< from the root: "../canary"
};

struct HostileLayers {
    std::string name;
    Outcome outcome;
    std::function<std::vector<std::string>(const Target&)> make;  ///< tars, lowest layer first
};

/// Stands between the layers of a case in one file, as fuzz_apply reads them.
inline const std::string kNextLayer(512, '\n');

/// All of them.
std::vector<HostileLayers> hostile_layers();

/// Its parts: where entries lead, what they are, and how headers lie.
std::vector<HostileLayers> layers_with_hostile_paths();
std::vector<HostileLayers> layers_with_hostile_entries();
std::vector<HostileLayers> layers_with_hostile_headers();

}  // namespace cooper::testing
