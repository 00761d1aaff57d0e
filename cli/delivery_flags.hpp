// The flags of verbs that deliver images: where to, of which build, for how long links live.
#pragma once

#include "cooper/delivery/build_info.hpp"
#include "cooper/delivery/publish.hpp"

#include "archive_flags.hpp"
#include "command_line.hpp"
#include "image_argument.hpp"
#include "session.hpp"

#include <chrono>
#include <string>

namespace cooper::cli {

struct DeliveryFlags {
    std::string to;
    std::string directory = ".";
    delivery::BuildInfo build;
    std::chrono::seconds expires{12 * 3600};

    /// `to_help` is the help of --to.
    void declare(CommandLine& line, std::string_view to_help);
    /// Throws UsageError for flags that exclude each other; before anything is opened.
    void check();
    /// What flags, GitHub Actions and git say. Throws UsageError that names `verb`.
    [[nodiscard]] delivery::BuildInfo complete(std::string_view verb, Session& session) const;

private:
    std::string notes_file_;
};

/// What publish() and release() take, of an image that was opened. Throws UsageError for one without a NAME:TAG.
delivery::PublishImage to_publish(const ImageArgument& argument, const OpenedImage& opened, Session& session);

/// The settings of tarballs that flags give.
delivery::PublishOptions publish_options(const ArchiveFlags& archive, std::chrono::seconds expires);

}  // namespace cooper::cli
