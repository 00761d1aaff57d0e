#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/context.hpp"

#include "build/context/agent_server.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <set>

namespace cooper::build {

namespace {

constexpr std::string_view kDefaultTemplate = "Dockerfile.j2";
constexpr std::string_view kDefaultDockerfile = "Dockerfile";

std::string shown(const std::string& path) {
    return "'" + oci::printable(path, kMaxPath) + "'";
}

bool is_file(const ImageSettings& settings, std::string_view path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(settings.root / path, ignored);
}

/// A recipe is a template or a Dockerfile, as the settings say, or as the root has it.
struct Recipe {
    std::string file;
    bool is_template = false;
};

std::optional<Recipe> find_recipe(const ImageSettings& settings) {
    if (settings.template_file) {
        return Recipe{*settings.template_file, true};
    }
    if (settings.dockerfile) {
        return Recipe{*settings.dockerfile, false};
    }
    if (is_file(settings, kDefaultTemplate)) {
        return Recipe{std::string(kDefaultTemplate), true};
    }
    if (is_file(settings, kDefaultDockerfile)) {
        return Recipe{std::string(kDefaultDockerfile), false};
    }
    return std::nullopt;
}

std::string read_recipe(const ImageSettings& settings, const std::string& file) {
    auto text = find_file_beneath(settings.root, file, kMaxTemplate);
    if (!text) {
        throw Error(ErrorCode::NotFound, "there is no file " + shown((settings.root / file).native()))
            .advise("give --template or --dockerfile, by the path below the root");
    }
    return *std::move(text);
}

TemplateMap variables_of(const ImageSettings& settings, const BuildBase& base, const std::string& target) {
    std::string dependencies;
    for (const auto& dependency : settings.extra_dependencies.value_or(std::vector<std::string>())) {
        dependencies += (dependencies.empty() ? "" : " ") + dependency;
    }
    TemplateMap variables = {{"base_image", {base.image}},
                             {"build_from_scratch", {base.level == BuildBase::Level::Scratch}},
                             {"build_from_versioned", {base.level == BuildBase::Level::Versioned}},
                             {"build_from_lock", {base.level == BuildBase::Level::Lock}},
                             {"target", {target}},
                             {"extra_deps", {std::move(dependencies)}},
                             {"enable_browser", {settings.browser.value_or(true)}}};
    if (settings.variables) {
        variables.insert(variables.end(), settings.variables->begin(), settings.variables->end());
    }
    return variables;
}

/// `names` gets the templates that are included.
std::string render_recipe(const ImageSettings& settings, const std::string& file, const TemplateMap& variables,
                          std::set<std::string>* names) {
    TemplateOptions options;
    options.trim_blocks = settings.trim_blocks.value_or(false);
    options.lstrip_blocks = settings.lstrip_blocks.value_or(false);
    options.loader = [names, below = templates_below(settings.root)](const std::string& name) {
        auto found = below(name);
        if (found && names != nullptr) {
            names->insert(name);
        }
        return found;
    };
    return Template::parse(read_recipe(settings, file), file, std::move(options)).render(variables);
}

std::string agent_server_dockerfile(const ImageSettings& settings, const BuildBase& base, const std::string& target) {
    const std::string wanted = target.empty() ? std::string(kAgentServerTargets.front()) : target;
    if (std::find(kAgentServerTargets.begin(), kAgentServerTargets.end(), wanted) == kAgentServerTargets.end()) {
        std::string known;
        for (const auto one : kAgentServerTargets) {
            known += (known.empty() ? "" : ", ") + std::string(one);
        }
        throw Error(ErrorCode::InvalidInput, "the agent server has no target " + shown(wanted))
            .advise("its targets are " + known);
    }
    TemplateList packages;
    for (const auto package : kAgentServerPackages) {
        packages.emplace_back(std::string(package));
    }
    // Checkouts differ in the module that serves: server.py in the design, the package itself in releases.
    const bool has_server = is_file(settings, "openhands/agent_server/server.py");
    TemplateMap variables = variables_of(settings, base, wanted);
    variables.emplace_back("packages", TemplateValue(std::move(packages)));
    variables.emplace_back("module", has_server ? "openhands.agent_server.server" : "openhands.agent_server");
    variables.emplace_back("development_flag", has_server ? "--dev" : "--reload");
    return Template::parse(kAgentServerTemplate, "agent-server", {}).render(variables);
}

template <std::size_t N>
std::vector<std::string> strings_of(const std::array<std::string_view, N>& texts) {
    return {texts.begin(), texts.end()};
}

}  // namespace

bool is_agent_server(const ImageSettings& settings) {
    return !find_recipe(settings) &&
           std::all_of(kAgentServerPackages.begin(), kAgentServerPackages.end(), [&](std::string_view package) {
               return is_file(settings, std::string(package) + "/pyproject.toml");
           });
}

ImageSettings with_agent_server(ImageSettings settings) {
    if (!is_agent_server(settings)) {
        return settings;
    }
    const auto fill_in = [](auto& setting, auto value) {
        if (!setting) {
            setting = std::move(value);
        }
    };
    auto& ignore = settings.ignore ? *settings.ignore : settings.ignore.emplace();
    if (!std::equal(kAgentServerIgnore.begin(), kAgentServerIgnore.end(), ignore.begin(),
                    ignore.begin() + std::min<std::ptrdiff_t>(std::ssize(ignore), std::ssize(kAgentServerIgnore)))) {
        ignore.insert(ignore.begin(), kAgentServerIgnore.begin(), kAgentServerIgnore.end());
    }
    if (settings.name.empty()) {
        settings.name = kAgentServerName;
    }
    fill_in(settings.base, std::string(kAgentServerBase));
    fill_in(settings.sources, strings_of(kAgentServerPackages));
    fill_in(settings.targets, std::vector{std::string(kAgentServerTargets.front())});
    if (is_file(settings, "uv.lock")) {
        fill_in(settings.lock_files, std::vector<std::string>{"uv.lock"});
    }
    if (!settings.files) {
        settings.files.emplace();
        for (const auto file : kAgentServerFiles) {
            settings.files->push_back({std::string(file), "", true});
        }
    }
    return settings;
}

std::string dockerfile_text(const ImageSettings& settings, const BuildBase& base, const std::string& target,
                            const Run& run) {
    run.check();
    const auto recipe = find_recipe(settings);
    if (recipe && recipe->is_template) {
        return render_recipe(settings, recipe->file, variables_of(settings, base, target), nullptr);
    }
    if (recipe && base.level == BuildBase::Level::Scratch) {
        return read_recipe(settings, recipe->file);
    }
    if (recipe) {
        throw Error(ErrorCode::InvalidInput, "the Dockerfile " + shown(recipe->file) +
                                                 " always builds from the beginning: it cannot build on " +
                                                 shown(base.image))
            .advise("a template can: it sees build_from_scratch, build_from_versioned and build_from_lock");
    }
    if (is_agent_server(settings)) {
        return agent_server_dockerfile(settings, base, target);
    }
    throw Error(ErrorCode::NotFound, "there is no Dockerfile in " + shown(settings.root.native()))
        .advise("give --template Dockerfile.j2 or --dockerfile FILE, or another --root");
}

bool has_levels(const ImageSettings& settings) {
    const auto recipe = find_recipe(settings);
    return recipe ? recipe->is_template : is_agent_server(settings);
}

std::vector<std::string> recipe_files(const ImageSettings& settings) {
    const auto recipe = find_recipe(settings);
    if (!recipe) {
        return {};
    }
    std::set<std::string> files = {recipe->file};
    if (recipe->is_template) {
        using Level = BuildBase::Level;
        for (const auto level : {Level::Scratch, Level::Versioned, Level::Lock}) {
            for (const auto& target : settings.targets.value_or(std::vector<std::string>{""})) {
                const BuildBase base{settings.base.value_or(""), level};
                render_recipe(settings, recipe->file, variables_of(settings, base, target), &files);
            }
        }
    }
    return {files.begin(), files.end()};
}

ContextOptions context_options(const ImageSettings& settings, std::string dockerfile) {
    const auto all = with_agent_server(settings);
    ContextOptions options;
    options.root = all.root;
    options.dockerfile = std::move(dockerfile);
    options.sources = all.sources.value_or(std::vector<std::string>());
    options.files = all.files.value_or(std::vector<ExtraFile>());
    options.prefix = all.context_prefix.value_or("");
    options.ignore = all.ignore.value_or(std::vector<std::string>());
    options.allow_secrets = all.allow_secrets.value_or(std::vector<std::string>());
    return options;
}

}  // namespace cooper::build
