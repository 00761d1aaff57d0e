// The second look at two layers: what differs inside files (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/oci/image.hpp"

#include "delivery/explain/findings.hpp"
#include "delivery/explain/layer_entries.hpp"
#include "delivery/explain/report_files.hpp"

#include <string>
#include <vector>

namespace cooper::delivery {

/// A layer of an image, and what was read of it.
struct LayerSide {
    const oci::Image& image;
    std::size_t index = 0;
    const ListedLayer& listed;
};

/// Tells `findings` of each changed file what kind it is and where it differs. Reads both layers once more, as far as
/// the last of these files; keeps the beginnings of a bounded number of them.
void explain_contents(const LayerSide& a, const LayerSide& b, const std::vector<ChangedFile>& changed,
                      const std::string& where, Findings& findings, const ReportFiles& report, const Run& run);

}  // namespace cooper::delivery
