#include "cooper/base/files.hpp"
#include "cooper/build/project.hpp"

#include "command.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace cooper::cli {

namespace {

namespace fs = std::filesystem;

class InitCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "init",
                .summary = "write a commented project file, cooper.json",
                .usage = "[DIR] [FLAGS]",
                .about =
                    "Writes cooper.json with all keys and a line about each: lock files, sources, template or "
                    "Dockerfile that\n"
                    "are found in the directory are filled in, the rest are comments. Reads nothing but names.",
                .examples = {{"a project file for the directory one is in", "cooper init"},
                             {"with another name for its image", "cooper init --image agent-server"},
                             {"a schema by which editors check and explain the file",
                              "cooper init --schema > cooper.schema.json"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Project");
        line.value("--image", "NAME", "the image's name; default: runtime", image_);
        line.toggle("--force", "write a file that is there anew", force_);
        line.toggle("--schema", "print the JSON Schema of project files instead, and write nothing", schema_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, schema_ ? 0 : 1);
        if (schema_) {
            print(build::project_schema());
            return;
        }
        const fs::path directory = positionals.empty() ? "." : positionals[0];
        const auto names = names_in(directory);
        const std::string text = as_usage("--image", [&] { return build::initial_project(image_, names); });
        const fs::path file = (directory / build::kProjectFile).lexically_normal();
        write(file, text);
        report(build::parse_project(text, file));
    }

private:
    /// Directories with a slash at the end.
    static std::vector<std::string> names_in(const fs::path& directory) {
        std::error_code failure;
        std::vector<std::string> names;
        for (fs::directory_iterator entry(directory, failure), end; !failure && entry != end;
             entry.increment(failure)) {
            std::error_code ignored;
            names.push_back(entry->path().filename().string() + (entry->is_directory(ignored) ? "/" : ""));
        }
        if (failure) {
            throw SystemError("cannot read the directory " + directory.string(), failure.value());
        }
        return names;
    }

    void write(const fs::path& path, const std::string& text) const {
        AtomicFile file(path);
        file.write(as_bytes(text));
        try {
            file.commit(force_ ? AtomicFile::IfExists::Replace : AtomicFile::IfExists::Fail);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::Conflict) {
                throw;
            }
            Error there(ErrorCode::Conflict, path.string() + " is there already");
            there.advise("--force writes it anew");
            throw there;
        }
    }

    void report(const build::Project& project) const {
        const build::ImageSettings& image = project.images.front();
        const auto text = [](const std::optional<std::string>& value) { return value.value_or(""); };
        const auto list = [](const std::optional<std::vector<std::string>>& value) {
            return value.value_or(std::vector<std::string>());
        };
        if (output.json) {
            const auto or_null = [](const std::optional<std::string>& value) { return value ? Json(*value) : Json(); };
            print_json({{"file", project.file.string()},
                        {"image", image.name},
                        {"base", or_null(image.base)},
                        {"template", or_null(image.template_file)},
                        {"dockerfile", or_null(image.dockerfile)},
                        {"version", or_null(image.version)},
                        {"version_file", or_null(image.version_file)},
                        {"lock_files", list(image.lock_files)},
                        {"sources", list(image.sources)}});
            return;
        }
        print(aligned({{"file", project.file.string()},
                       {"image", image.name},
                       {"base", text(image.base) + "  (a guess)"},
                       {"template", text(image.template_file)},
                       {"dockerfile", text(image.dockerfile)},
                       {"version", image.version ? *image.version + "  (a guess)" : ""},
                       {"version file", text(image.version_file)},
                       {"lock files", joined(list(image.lock_files))},
                       {"sources", image.sources ? joined(*image.sources) : "all of the directory"}}));
        if (!output.quiet) {
            complain(next_steps(image));
        }
    }

    static std::string next_steps(const build::ImageSettings& image) {
        const bool has_recipe = image.template_file || image.dockerfile;
        return "Next: look the file over" + std::string(has_recipe ? "" : ", name a template or Dockerfile in it") +
               ", then\n  cooper build --image " + image.name + " --dry-run\n";
    }

    std::string image_ = "runtime";
    bool force_ = false;
    bool schema_ = false;
};

}  // namespace

std::unique_ptr<Command> make_init_command() {
    return std::make_unique<InitCommand>();
}

}  // namespace cooper::cli
