#include "delivery_flags.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"

#include "lock_flag.hpp"

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxNotes = 64 * 1024;  // as much as the changelog takes

}  // namespace

void DeliveryFlags::declare(CommandLine& line, std::string_view to_help) {
    line.heading("Delivery");
    line.value("--to", "PLACE", to_help, to);
    line.value("--branch", "NAME", "default: GitHub Actions' branch, else git's", build.branch);
    line.value("--commit", "SHA", "7 to 64 hex digits; default: GitHub Actions', else git's HEAD", build.commit);
    line.value("--subject", "TEXT", "the commit's first line; default: from GitHub Actions, else git", build.subject);
    line.value("--notes", "TEXT", "default: the file .doc/BRANCH/CHANGELOG.md below the directory", build.notes);
    line.value("--notes-file", "FILE", "the notes are in a file (at most 64 KiB)", notes_file_);
    line.value("--repository", "URL", "https://github.com/OWNER/NAME; default: as above", build.repository);
    line.parsed("--expires", "TIME", "life of the links: 90m, 12h (default), 7d at most", expires, parse_duration);
    line.value("--directory", "DIR", "where git and the notes are looked for; default: here", directory);
}

void DeliveryFlags::check() {
    if (notes_file_.empty()) {
        return;
    }
    if (!build.notes.empty()) {
        throw UsageError("--notes and --notes-file exclude each other");
    }
    build.notes = read_file(notes_file_, kMaxNotes);
}

delivery::BuildInfo DeliveryFlags::complete(std::string_view verb, Session& session) const {
    return as_usage(verb, [&] {
        auto info = delivery::complete_build_info(build, directory, session.environment(), session.run());
        delivery::branch_key(info.branch);
        delivery::check_commit(info.commit);
        return info;
    });
}

delivery::PublishImage to_publish(const ImageArgument& argument, const OpenedImage& opened, Session& session) {
    if (opened.names.empty()) {
        throw UsageError(argument.source + " has no NAME:TAG to be delivered under", argument.source + "=NAME:TAG");
    }
    const oci::Reference& name = opened.names[0];
    const oci::Store* store = session.places().store;
    return {.image = opened.image,
            .name = name.base_name(),
            .tag = *name.tag(),
            .repo_tags = repo_tags(opened.names),
            .source = argument.source,
            .origin = lock_origin(argument.place, opened.image.manifest.raw.digest, store),
            .makers = remembered_makers({opened.image}, store),
            .at_hand = [local = !argument.in_registry(), store](const oci::Descriptor& blob) {
                return local || (store != nullptr && store->has(blob.digest));
            }};
}

delivery::PublishOptions publish_options(const ArchiveFlags& archive, std::chrono::seconds expires) {
    delivery::PublishOptions options;
    options.layers = archive.layers;
    options.format = archive.format;
    options.deep = archive.deep;
    options.connections = archive.jobs;
    options.expires = expires;
    options.tool_version = COOPER_VERSION;
    return options;
}

}  // namespace cooper::cli
