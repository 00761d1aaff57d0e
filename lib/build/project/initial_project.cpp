#include "build/project/matrix_member.hpp"
#include "build/project/setting_keys.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace cooper::build {

namespace {

using Names = std::span<const std::string_view>;

// In the order in which a Dockerfile would copy them: what is declared before what was resolved.
constexpr std::array<std::string_view, 20> kLockFiles = {
    "pyproject.toml",   "uv.lock",      "poetry.lock",       "pdm.lock",   "Pipfile",        "Pipfile.lock",
    "requirements.txt", "package.json", "package-lock.json", "yarn.lock",  "pnpm-lock.yaml", "bun.lock",
    "go.mod",           "go.sum",       "Cargo.toml",        "Cargo.lock", "Gemfile",        "Gemfile.lock",
    "composer.json",    "composer.lock"};
constexpr std::array<std::string_view, 8> kSources = {"src/",      "app/", "lib/",       "cmd/",
                                                      "internal/", "pkg/", "openhands/", "server/"};
constexpr std::array<std::string_view, 3> kTemplates = {"Dockerfile.j2", "Dockerfile.jinja", "Dockerfile.jinja2"};
constexpr std::array<std::string_view, 2> kDockerfiles = {"Dockerfile", "Containerfile"};
constexpr std::array<std::string_view, 2> kVersionFiles = {"VERSION", "version.txt"};

/// Those of `known` that are among `files`, as JSON texts; directories without the slash.
std::vector<std::string> found(Names known, const std::vector<std::string>& files) {
    std::vector<std::string> texts;
    for (const std::string_view name : known) {
        if (std::find(files.begin(), files.end(), name) != files.end()) {
            texts.push_back("\"" + std::string(name.substr(0, name.find('/'))) + "\"");
        }
    }
    return texts;
}

std::string list(const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : ", ") + text;
    }
    return "[" + all + "]";
}

/// Values for keys that the project's files show.
std::map<std::string_view, std::string> known_values(const std::vector<std::string>& files) {
    std::map<std::string_view, std::string> values{{"base", std::string(find_setting_key("base")->example)}};
    const auto first = [&](std::string_view key, Names known) {
        const auto texts = found(known, files);
        if (!texts.empty()) {
            values.emplace(key, texts.front());
        }
        return !texts.empty();
    };
    if (!first("template", kTemplates)) {
        first("dockerfile", kDockerfiles);
    }
    // A build finds the version in pyproject.toml on its own.
    if (!first("version_file", kVersionFiles) &&
        std::find(files.begin(), files.end(), "pyproject.toml") == files.end()) {
        values.emplace("version", R"("0.1.0")");
    }
    for (const auto& [key, known] :
         {std::pair<std::string_view, Names>{"lock_files", kLockFiles}, {"sources", kSources}}) {
        if (const auto texts = found(known, files); !texts.empty()) {
            values.emplace(key, list(texts));
        }
    }
    return values;
}

}  // namespace

std::string initial_project(std::string_view image, const std::vector<std::string>& files) {
    check_image_name(image);
    const auto values = known_values(files);
    std::string text =
        "// The images of this project and how each is made: cooper build --image " + std::string(image) +
        "\n"
        "// Lines that are comments show what else can be said. Flags and the environment stand on top of this file.\n"
        "{\n"
        "    // Editors check and explain the keys: cooper init --schema > cooper.schema.json\n"
        "    // \"$schema\": \"./cooper.schema.json\",\n\n"
        "    // The format of this file.\n"
        "    \"version\": 1,\n\n"
        "    // What counts for every image that does not say something else: the same keys as below.\n"
        "    // \"defaults\": {\"registry_prefix\": \"ghcr.io/acme\"},\n\n"
        "    // The images that CI makes, as jobs of a workflow: cooper matrix --github-output\n"
        "    // \"matrix\": " +
        std::string(kMatrixExample) +
        ",\n\n"
        "    \"images\": {\n"
        "        \"" +
        std::string(image) + "\": {\n";
    std::string between;
    for (const SettingKey& key : setting_keys()) {
        const auto value = values.find(key.name);
        const bool known = value != values.end();
        text += between + "            // " + std::string(key.description) + "\n            " + (known ? "" : "// ") +
                "\"" + std::string(key.name) + "\": " + (known ? value->second : std::string(key.example)) + ",\n";
        between = "\n";
    }
    return text + "        },\n    },\n}\n";
}

}  // namespace cooper::build
