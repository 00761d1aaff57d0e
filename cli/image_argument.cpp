#include "image_argument.hpp"

#include "cooper/oci/archive_reader.hpp"

#include <filesystem>

namespace cooper::cli {

namespace {

constexpr std::string_view kRegistry = "docker://";
constexpr std::string_view kArchive = "docker-archive:";

std::optional<oci::Reference> try_reference(std::string_view text) {
    try {
        return oci::Reference::parse(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

struct ArchiveLocation {
    std::filesystem::path path;
    std::optional<oci::Reference> name;
};

/// PATH[:NAME:TAG]. Our own tarballs have colons in their names, so what exists decides where the path ends.
std::optional<ArchiveLocation> find_archive(std::string_view text) {
    std::error_code ignored;
    for (std::size_t end = text.size(); end != std::string_view::npos && end > 0; end = text.rfind(':', end - 1)) {
        const std::filesystem::path path(text.substr(0, end));
        if (!std::filesystem::exists(path, ignored)) {
            continue;
        }
        if (end == text.size()) {
            return ArchiveLocation{path, std::nullopt};
        }
        if (auto name = try_reference(text.substr(end + 1))) {
            return ArchiveLocation{path, std::move(name)};
        }
    }
    return std::nullopt;
}

oci::ArchivedImage open_archive(std::string_view text, const Run& run) {
    const auto found = find_archive(text);
    return found ? oci::read_docker_archive(found->path, found->name, run)
                 : oci::read_docker_archive(text, std::nullopt, run);  // says what is wrong with it
}

}  // namespace

oci::Reference parse_name(std::string_view text, std::string_view subject) {
    auto name = as_usage(subject, [&] { return oci::Reference::parse(text); });
    if (!name.tag() || name.digest()) {
        throw UsageError(std::string(subject) + ": \"" + std::string(text) + "\" is not NAME:TAG");
    }
    return name;
}

ImageArgument ImageArgument::parse(std::string_view text) {
    ImageArgument argument;
    std::string_view source = text;
    const bool archive = text.starts_with(kArchive);
    for (std::size_t equals = source.rfind('='); equals != std::string_view::npos; equals = source.rfind('=')) {
        if (archive && find_archive(source.substr(kArchive.size()))) {
            break;  // a "=" of the file's own name
        }
        argument.names.insert(argument.names.begin(), parse_name(source.substr(equals + 1), text));
        source = source.substr(0, equals);
    }
    argument.source = source;
    for (const std::string_view other : {"oci:", "oci-archive:", "docker-daemon:", "dir:"}) {
        if (source.starts_with(other)) {
            throw UsageError(std::string(text) + ": images cannot be read from " + std::string(other) + " yet",
                             "a registry (docker://NAME:TAG) or docker-archive:FILE");
        }
    }
    if (!archive) {
        argument.reference = as_usage(text, [&] {
            return oci::Reference::parse(source.starts_with(kRegistry) ? source.substr(kRegistry.size()) : source);
        });
    }
    return argument;
}

namespace {

OpenedImage open_in_registry(Session& session, const ImageArgument& argument,
                             const std::optional<oci::Platform>& platform) {
    OpenedImage opened{session.registry().image(*argument.reference, platform, session.run()), argument.names,
                       argument.source};
    const auto tag = argument.reference->effective_tag();
    if (opened.names.empty() && tag) {
        opened.names.push_back(argument.reference->with_tag(*tag));
    }
    return opened;
}

OpenedImage open_in_archive(Session& session, const ImageArgument& argument,
                            const std::optional<oci::Platform>& platform) {
    auto archived = open_archive(std::string_view(argument.source).substr(kArchive.size()), session.run());
    const oci::Platform& found = archived.image.config.platform;
    if (platform && found != platform->normalised()) {
        throw Error(ErrorCode::NotFound,
                    argument.source + " is for " + found.text() + ", not " + platform->normalised().text());
    }
    OpenedImage opened{std::move(archived.image), argument.names, argument.source};
    if (opened.names.empty()) {
        for (const std::string& tag : archived.repo_tags) {
            opened.names.push_back(oci::Reference::parse(tag));
        }
    }
    return opened;
}

}  // namespace

OpenedImage open_image(Session& session, const ImageArgument& argument, const std::optional<oci::Platform>& platform) {
    return argument.reference ? open_in_registry(session, argument, platform)
                              : open_in_archive(session, argument, platform);
}

void check_one_login(const ConnectionFlags& flags, const std::vector<ImageArgument>& images) {
    if (flags.creds.empty() && !flags.creds_stdin) {
        return;
    }
    std::optional<std::string> host;
    for (const ImageArgument& image : images) {
        if (image.reference && image.reference->domain() != host.value_or(image.reference->domain())) {
            throw UsageError("one login would go to two registries, " + *host + " and " + image.reference->domain(),
                             "cooper finds a login per registry in --authfile FILE or docker's config.json");
        }
        if (image.reference) {
            host = image.reference->domain();
        }
    }
}

std::vector<std::string> repo_tags(const std::vector<oci::Reference>& names) {
    std::vector<std::string> tags;
    for (const auto& name : names) {
        tags.push_back(name.text());
    }
    return tags;
}

}  // namespace cooper::cli
