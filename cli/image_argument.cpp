#include "image_argument.hpp"

#include <algorithm>
#include <filesystem>

namespace cooper::cli {

oci::Reference parse_name(std::string_view text, std::string_view subject) {
    auto name = as_usage(subject, [&] { return oci::Reference::parse(text); });
    if (!name.tag() || name.digest()) {
        throw UsageError(std::string(subject) + ": \"" + std::string(text) + "\" is not NAME:TAG");
    }
    return name;
}

namespace {

using Kind = oci::PlaceName::Kind;
using Use = oci::PlaceName::Use;

/// Whether the "=" at `equals` belongs to the path of an archive or a layout that exists.
bool is_in_path(std::string_view text, std::size_t equals) {
    std::error_code ignored;
    try {
        const auto place = oci::PlaceName::parse(text, Use::Read);
        return !place.path.empty() && text.find(place.path) + place.path.size() > equals &&
               std::filesystem::exists(place.path, ignored);
    } catch (const Error&) {
        return false;
    }
}

/// No image in a registry is called so; a missing file should not be looked for on Docker Hub.
bool is_path(std::string_view text) {
    return text.starts_with("./") || text.starts_with("../") || text.starts_with('/');
}
bool is_archive_name(std::string_view text) {
    return text.ends_with(".tar") || text.ends_with(".tar.gz") || text.ends_with(".tgz") || text.ends_with(".tar.zst");
}

}  // namespace

ImageArgument ImageArgument::parse(std::string_view text) {
    ImageArgument argument;
    std::string_view source = text;
    for (std::size_t equals = source.rfind('='); equals != std::string_view::npos; equals = source.rfind('=')) {
        if (is_in_path(source, equals)) {
            break;
        }
        argument.names.push_back(parse_name(source.substr(equals + 1), text));
        source = source.substr(0, equals);
    }
    std::reverse(argument.names.begin(), argument.names.end());
    argument.source = source;
    argument.place = is_path(source) || is_archive_name(source)
                         ? parse_source(source)
                         : as_usage("", [&] { return oci::PlaceName::parse(source, Use::Read); });
    return argument;
}

OpenedImage open_image(Session& session, const ImageArgument& argument, const std::optional<oci::Platform>& platform,
                       Session::Store store) {
    const Run& run = session.run();
    auto opened = oci::open_place(argument.place, platform, false, session.places(store), run);
    // An archive holds what it holds; of a registry one expects an image for this machine.
    oci::Image image = argument.in_registry() ? oci::image_of(opened.graph, platform, opened.text, run)
                                              : oci::images_of(opened.graph, run).at(0);
    return {std::move(image), argument.names.empty() ? std::move(opened.names) : argument.names, argument.source,
            std::move(opened.repositories), std::move(opened.index)};
}

oci::PlaceName parse_source(std::string_view text) {
    std::error_code ignored;
    const std::filesystem::path path(text);
    std::string whole(text);
    if (text == "-" || std::filesystem::is_regular_file(path, ignored)) {
        whole.insert(0, "docker-archive:");
    } else if (std::filesystem::exists(path / "oci-layout", ignored)) {
        whole.insert(0, "oci:");
    }
    const auto place =
        is_path(whole) ? oci::PlaceName() : as_usage("", [&] { return oci::PlaceName::parse(whole, Use::Read); });
    if (is_path(whole) || (place.kind == Kind::Registry && !whole.starts_with("docker://") && is_archive_name(whole))) {
        throw UsageError(whole + ": there is no such file");
    }
    return place;
}

oci::PlaceName parse_destination(std::string_view text) {
    return as_usage("", [&] { return oci::PlaceName::parse(text, Use::Write); });
}

void check_one_login(const ConnectionFlags& flags, const std::vector<oci::PlaceName>& places) {
    if (flags.creds.empty() && !flags.creds_stdin) {
        return;
    }
    std::optional<std::string> host;
    for (const oci::PlaceName& place : places) {
        if (place.kind != Kind::Registry) {
            continue;
        }
        if (host && place.reference->domain() != *host) {
            throw UsageError("one login would go to two registries, " + *host + " and " + place.reference->domain(),
                             "cooper finds a login per registry in --authfile FILE or docker's config.json");
        }
        host = place.reference->domain();
    }
}

void check_one_login(const ConnectionFlags& flags, const std::vector<ImageArgument>& images) {
    std::vector<oci::PlaceName> places;
    for (const ImageArgument& image : images) {
        places.push_back(image.place);
    }
    check_one_login(flags, places);
}

std::vector<std::string> repo_tags(const std::vector<oci::Reference>& names) {
    std::vector<std::string> tags;
    for (const auto& name : names) {
        tags.push_back(name.text());
    }
    return tags;
}

}  // namespace cooper::cli
