#include "project_flags.hpp"

#include "cooper/base/text.hpp"

#include <algorithm>
#include <charconv>

namespace cooper::cli {

namespace {

/// A flag that is a key of the project file.
void setting(CommandLine& line, std::string_view flag, std::string_view placeholder, std::string_view help,
             std::string_view key, std::optional<std::string>& into) {
    line.parsed(flag, placeholder, help, into, [key](std::string_view given) {
        build::check_setting(key, given);
        return std::string(given);
    });
}

/// What a repeatable flag says of a key, checked; nullopt when it was not given.
std::optional<std::vector<std::string>> setting_list(std::string_view flag, std::string_view key,
                                                     const std::vector<std::string>& given) {
    if (given.empty()) {
        return std::nullopt;
    }
    for (const std::string& text : given) {
        as_usage(flag, [&] { build::check_setting(key, text); });
    }
    return given;
}

/// Elements of a flag that takes several, apart by commas or by giving it again.
std::vector<std::string> comma_separated(std::string_view flag, const std::vector<std::string>& given) {
    std::vector<std::string> all;
    for (const std::string& text : given) {
        for (const std::string_view part : split(text, ',')) {
            if (trim(part).empty()) {
                throw UsageError(std::string(flag) + ": \"" + text + "\" has an empty element");
            }
            all.emplace_back(trim(part));
        }
    }
    return all;
}

/// NAME and VALUE of NAME=VALUE.
std::pair<std::string, std::string> split_variable(std::string_view flag, const std::string& text) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) {
        throw UsageError(std::string(flag) + ": \"" + text + "\" has no value",
                         std::string(flag) + " " + text + "=VALUE");
    }
    std::string name = text.substr(0, equals);
    as_usage(flag, [&] { build::check_setting("variables", name); });
    return {std::move(name), text.substr(equals + 1)};
}

build::ExtraFile parse_extra_file(const std::string& text) {
    const std::size_t equals = text.find('=');
    build::ExtraFile file;
    file.from = text.substr(0, equals);
    file.to = equals == std::string::npos ? "" : text.substr(equals + 1);
    as_usage("--extra-file", [&] {
        build::check_setting("files", file.from);
        if (equals != std::string::npos) {
            build::check_setting("files", file.to);
        }
    });
    return file;
}

std::optional<bool> if_given(bool given, bool value) {
    return given ? std::optional(value) : std::nullopt;
}

}  // namespace

std::pair<std::string, std::string> parse_build_arg(const std::string& text, const Environment& environment) {
    const std::size_t equals = text.find('=');
    if (equals == 0) {
        throw UsageError("--build-arg: \"" + text + "\" has no name");
    }
    if (equals != std::string::npos) {
        return {text.substr(0, equals), text.substr(equals + 1)};
    }
    const auto found = environment.all().find(text);
    if (found == environment.all().end()) {
        throw UsageError("--build-arg " + text + ": the environment has no such variable",
                         "--build-arg " + text + "=VALUE");
    }
    return {text, found->second};
}

std::pair<std::string, build::TemplateValue> parse_variable(const std::string& text) {
    auto [name, value] = split_variable("--set", text);
    if (value == "true" || value == "false") {
        return {std::move(name), value == "true"};
    }
    std::int64_t number = 0;
    const char* const end = value.data() + value.size();
    const auto read = std::from_chars(value.data(), end, number);
    // "007" and "-0" are texts that look like numbers: a number would print as something else.
    if (read.ec == std::errc() && read.ptr == end && std::to_string(number) == value) {
        return {std::move(name), number};
    }
    return {std::move(name), std::move(value)};
}

std::pair<std::string, build::TemplateValue> parse_json_variable(const std::string& text) {
    auto variable = split_variable("--set-json", text);
    auto value =
        as_usage("", [&] { return build::parse_template_value(variable.second, "--set-json " + variable.first); });
    return {std::move(variable.first), std::move(value)};
}

void ProjectFlags::declare_project(CommandLine& line) {
    line.heading("Project");
    line.value("--project", "FILE", "the project file; default: cooper.json here or above, if there is one", file);
    line.value("--image", "NAME", "the project's image; default: the only one", image);
    line.value("--root", "DIR", "what paths are below of; default: where the project file is, or here", root);
    setting(line, "--base-image", "IMAGE", "what the image begins with; also $BASE_IMAGE", "base", flags.base);
}

void ProjectFlags::declare_recipe(CommandLine& line) {
    line.heading("What it is made of");
    setting(line, "--template", "FILE", "Jinja template of the Dockerfile", "template", flags.template_file);
    line.value("-f, --dockerfile", "FILE", "Dockerfile as it is, instead of a template", dockerfile);
    line.values("--set", "NAME=VALUE", "variable of the template: true, false, a whole number or text; repeatable",
                set);
    line.values("--set-json", "NAME=JSON", "variable of the template; repeatable", set_json);
    line.toggle("--trim-blocks", "Jinja's trim_blocks", trim_blocks_);
    line.toggle("--lstrip-blocks", "Jinja's lstrip_blocks", lstrip_blocks_);
    line.values("--build-arg", "NAME[=VALUE]", "build argument; without a value: the environment's; repeatable",
                build_args);
    line.values("--target", "STAGE", "stage of the Dockerfile; repeatable or a,b; also $TARGET", targets_);
}

void ProjectFlags::declare_content(CommandLine& line) {
    line.heading("What it is made of");
    line.values("--source", "PATH", "sources below the root; default: all of it; repeatable", sources_);
    line.values("--lock-file", "PATH", "lock file of dependencies, in order; repeatable", lock_files_);
    line.values("--ignore", "PATTERN", "leave out, in the language of .dockerignore; repeatable", ignore_);
    line.values("--extra-file", "FROM[=TO]", "file or directory that goes in besides the sources; repeatable",
                extra_files);
    setting(line, "--context-prefix", "DIR", "where sources and files lie in the context", "context_prefix",
            flags.context_prefix);
    line.values("--allow-secret", "PATTERN", "files that only look like secrets; repeatable", allow_secrets_);
}

void ProjectFlags::declare_names(CommandLine& line) {
    line.heading("Names");
    setting(line, "--version", "V", "the version in the tags", "version", flags.version);
    setting(line, "--version-file", "FILE", "a file with the version in its first line", "version_file",
            flags.version_file);
    setting(line, "--profile", "NAME", "of the tags: cooper (default), v0 or v1", "profile", flags.profile);
    setting(line, "--registry-prefix", "PREFIX", "ghcr.io/acme: the repository is PREFIX/NAME", "registry_prefix",
            flags.registry_prefix);
    setting(line, "--repository", "REPOSITORY", "the whole repository instead", "repository", flags.repository);
    setting(line, "--suffix", "TEXT", "at the end of each content tag (--suffix=-dev)", "suffix", flags.suffix);
    declare_tag(line);
    line.values("--extra-dependency", "TEXT", "one more dependency that counts in the tags, in order; repeatable",
                extra_dependencies_);
    line.toggle("--no-browser", "v0, v1: an image without the browser", no_browser_);
}

void ProjectFlags::declare_builder(CommandLine& line) {
    line.heading("Builder");
    setting(line, "--builder", "NAME", "cooper (default where it can run RUN), engine, or remote: the Runtime API", "builder", flags.builder);
    line.values("--look-in", "LIST", "where images are looked for: engine,registry,store", look_in_);
    line.values("--platform", "OS/ARCH", "an image for each; repeatable or a,b", platforms_);
    declare_runtime_api(line);
}

void ProjectFlags::declare_tag(CommandLine& line) {
    line.values("-t, --tag", "TAG", "custom tag, or REPOSITORY:TAG; repeatable or a,b; also $CUSTOM_TAGS", tags_);
}

void ProjectFlags::declare_runtime_api(CommandLine& line) {
    setting(line, "--runtime-api-url", "URL", "of the Runtime API; also $RUNTIME_API_URL", "runtime_api_url",
            flags.runtime_api_url);
}

build::ImageSettings ProjectFlags::from_file() const {
    build::ImageSettings settings;
    settings.profile = build::kDefaultTagProfile;
    const auto found =
        file.empty() ? build::find_project(root.empty() ? "." : root) : std::optional<std::filesystem::path>(file);
    if (found) {
        const build::ImageSettings project = build::read_project(*found).image(image);
        settings.overlay(project);
    } else {
        settings.name = image;
        settings.root = ".";
    }
    if (!root.empty()) {
        settings.root = root;
    }
    return settings;
}

build::ImageSettings ProjectFlags::from_flags(const Environment& environment) const {
    build::ImageSettings given = flags;
    if (!dockerfile.empty()) {
        as_usage("--dockerfile", [&] { build::check_setting("dockerfile", dockerfile); });
        given.dockerfile = dockerfile;
    }
    given.sources = setting_list("--source", "sources", sources_);
    given.lock_files = setting_list("--lock-file", "lock_files", lock_files_);
    given.extra_dependencies = setting_list("--extra-dependency", "extra_dependencies", extra_dependencies_);
    given.ignore = setting_list("--ignore", "ignore", ignore_);
    given.allow_secrets = setting_list("--allow-secret", "allow_secrets", allow_secrets_);
    given.targets = setting_list("--target", "targets", comma_separated("--target", targets_));
    given.platforms = setting_list("--platform", "platforms", comma_separated("--platform", platforms_));
    given.tags = setting_list("--tag", "tags", comma_separated("--tag", tags_));
    given.look_in = setting_list("--look-in", "look_in", comma_separated("--look-in", look_in_));
    given.trim_blocks = if_given(trim_blocks_, true);
    given.lstrip_blocks = if_given(lstrip_blocks_, true);
    given.browser = if_given(no_browser_, false);
    if (!extra_files.empty()) {
        std::transform(extra_files.begin(), extra_files.end(), std::back_inserter(given.files.emplace()),
                       parse_extra_file);
    }
    if (!build_args.empty()) {
        auto& all = given.build_args.emplace();
        for (const std::string& text : build_args) {
            all.push_back(parse_build_arg(text, environment));
        }
    }
    if (!set.empty() || !set_json.empty()) {
        auto& all = given.variables.emplace();
        std::transform(set.begin(), set.end(), std::back_inserter(all), parse_variable);
        std::transform(set_json.begin(), set_json.end(), std::back_inserter(all), parse_json_variable);
    }
    as_usage("", [&] { build::check_settings(given); });
    return given;
}

build::ImageSettings ProjectFlags::resolve(const Environment& environment, const Remark& remark) const {
    const build::ImageSettings given = from_flags(environment);
    build::ImageSettings settings = from_file();
    const std::string profile = given.profile ? *given.profile : *settings.profile;
    if (remark) {
        for (const std::string& text : build::environment_remarks(settings, given, environment, profile)) {
            remark(text);
        }
    }
    settings.overlay(build::settings_from(environment, profile));
    settings.overlay(given);
    build::check_settings(settings);
    return settings;
}

}  // namespace cooper::cli
