// What the verbs have in common that make a new image of an old one.
#pragma once

#include "cooper/build/edit_images.hpp"

#include "command.hpp"
#include "image_argument.hpp"
#include "transfer.hpp"

#include <functional>
#include <string>
#include <vector>

namespace cooper::cli {

class EditCommand : public Command {
protected:
    /// Platforms, archives, connections, output.
    void declare_edit(CommandLine& line);

    /// Parsed, nothing opened yet; `from` may be several.
    struct Places {
        std::vector<oci::PlaceName> from;
        oci::PlaceName to;
    };
    /// SOURCE DESTINATION [SOURCE...]. Throws UsageError.
    [[nodiscard]] Places parse_places(const std::vector<std::string>& positionals) const;

    /// One platform, or with `whole` all of it. Blobs of registries that are read twice come from a file the second
    /// time.
    [[nodiscard]] oci::OpenedPlace open(Session& session, const oci::PlaceName& place, bool whole) const;
    /// One platform's image there.
    [[nodiscard]] oci::Image open_image_at(Session& session, const oci::PlaceName& place) const;
    /// Writes `edited`, which was made of `from`, and tells of it.
    void write(Session& session, const Places& places, const oci::OpenedPlace& from, oci::Graph edited);
    /// Opens the source, edits its image (with --all-platforms each of them), writes and reports.
    void edit_images(Session& session, const Places& places, const build::ImageEdit& edit);

    TransferFlags transfer_;
    ConnectionFlags connection_;
};

}  // namespace cooper::cli
