#include "cooper/base/text.hpp"
#include "cooper/build/context.hpp"
#include "cooper/build/git_tags.hpp"
#include "cooper/build/remote_builder.hpp"
#include "cooper/build/runtime_image.hpp"

#include "command.hpp"
#include "project_flags.hpp"
#include "runtime_api_flags.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

constexpr std::size_t kContextShortSha = 7;
constexpr const char* kContextDefaultDirectory = "./runtime-build";
constexpr const char* kBaseImageArgument = "BASE_IMAGE";

/// The part of a custom tag that is a tag: a whole name may have been given.
std::string tag_in_file_name(const std::string& tag) {
    const auto slash = tag.rfind('/');
    const auto name = slash == std::string::npos ? tag : tag.substr(slash + 1);
    const auto colon = name.rfind(':');
    return colon == std::string::npos ? name : name.substr(colon + 1);
}

/// A path as a pattern of .dockerignore that matches nothing else.
std::string pattern_of_path(const std::string& path) {
    std::string pattern;
    for (const char character : path) {
        if (std::string_view("*?[]\\!").find(character) != std::string_view::npos) {
            pattern += '\\';
        }
        pattern += character;
    }
    return pattern;
}

class ContextCommand final : public Command {
public:
    ContextCommand() { api_.dialect = build::RuntimeApiDialect::V1Script; }

    [[nodiscard]] VerbText text() const override {
        return {.name = "context",
                .summary = "pack a build context: one tar.gz with a Dockerfile, the same bytes every time",
                .usage = "[--target STAGE] [--base-image IMAGE] [--output-dir DIR] [FLAGS]",
                .about =
                    "Everything a builder needs in DIR/NAME-SHA-TAG.tar.gz: a Dockerfile that needs no arguments, and "
                    "what it\n"
                    "copies. docker build, podman and the Runtime API build it. Files that look like credentials and "
                    "links\n"
                    "out of the tree are refused. A checkout of OpenHands' agent server needs no project file; its "
                    "targets\n"
                    "are binary, binary-minimal, source and source-minimal. With RUNTIME_API_URL and RUNTIME_API_KEY "
                    "set,\n"
                    "the context is built there at once.",
                .examples = {{"of a checkout of the agent server",
                              "cooper context --target binary --base-image python:3.12-slim"},
                             {"of an image in cooper.json", "cooper context --image runtime --output-dir build"},
                             {"what would go in", "cooper context --list"},
                             {"built at a Runtime API (its key in RUNTIME_API_KEY)",
                              "cooper context --upload --runtime-api-url https://runtime.example.com"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Context");
        line.value("--output-dir", "DIR", "where to; default: $OUTPUT_DIR, ./runtime-build", output_directory_);
        line.value("--output-name", "FILE", "its name there; default: $OUTPUT_NAME, NAME-SHA-TAG.tar.gz", output_name_);
        line.toggle("--no-clean", "keep contexts of earlier runs; also CLEAN_OUTPUT=false", no_clean_);
        line.toggle("--list", "print the names of what would go in, and write nothing", list_);
        project_.declare_tag(line);
        project_.declare_project(line);
        project_.declare_recipe(line);
        project_.declare_content(line);
        line.heading("Runtime API");
        line.toggle("--upload", "build it there; default when $RUNTIME_API_URL and _KEY are set", upload_);
        line.toggle("--no-upload", "only write it", no_upload_);
        line.value("--name", "REPOSITORY:TAG", "the image's name; default: PREFIX/NAME:SHA-TAG", name_);
        project_.declare_runtime_api(line);
        api_.declare(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 0);
        if (upload_ && no_upload_) {
            throw UsageError("--upload and --no-upload exclude each other");
        }
        if (list_ && upload_) {
            throw UsageError("--list writes nothing that could be uploaded", "leave --upload or --list out");
        }
        Session session(output, connection_);
        settings_ = build::with_agent_server(
            project_.resolve(session.environment(), [&](std::string_view remark) { session.note(remark); }));
        if (settings_.name.empty()) {
            settings_.name = "context";
        }
        const std::string dockerfile = make_dockerfile(session);
        if (list_) {
            list(session, dockerfile);
            return;
        }
        const bool upload = wants_upload(session);
        identify(session);
        Made made = write(session, dockerfile);
        if (upload) {
            made.image = build_remotely(session, made.written.file);
        }
        session.finish_progress();
        show(made);
    }

private:
    struct Made {
        build::WrittenContext written;
        std::size_t members = 0;
        std::vector<std::string> removed;
        std::string image;
    };

    // -- the Dockerfile

    std::string make_dockerfile(Session& session) const {
        const auto targets = settings_.targets.value_or(std::vector<std::string>());
        if (targets.size() > 1) {
            throw UsageError(
                "a context is for one target, and there are " + std::to_string(targets.size()) + ": " + joined(targets),
                "choose one with --target");
        }
        const std::string target = targets.empty() ? "" : targets[0];
        if (build::has_levels(settings_) && !settings_.base) {
            throw UsageError("context: which base image?",
                             "--base-image ubuntu:22.04, BASE_IMAGE, or the project file");
        }
        const build::BuildBase base{settings_.base.value_or(""), build::BuildBase::Level::Scratch};
        const auto text = build::dockerfile_text(settings_, base, target, session.run());
        return build::standalone_dockerfile(text, target, arguments_for(text, session));
    }

    /// The base image becomes the default of ARG BASE_IMAGE where a plain Dockerfile begins with it.
    std::vector<std::pair<std::string, std::string>> arguments_for(const std::string& text, Session& session) const {
        auto args = settings_.build_args.value_or(std::vector<std::pair<std::string, std::string>>());
        const auto is_base = [](const auto& arg) { return arg.first == kBaseImageArgument; };
        if (!settings_.base || build::has_levels(settings_) || std::any_of(args.begin(), args.end(), is_base)) {
            return args;
        }
        auto with_base = args;
        with_base.emplace_back(kBaseImageArgument, *settings_.base);
        const auto images = build::images_of_dockerfile(text, with_base);
        if (images != build::images_of_dockerfile(text, args)) {
            return with_base;
        }
        if (std::find(images.begin(), images.end(), *settings_.base) == images.end()) {
            session.warn("the Dockerfile does not begin with " + *settings_.base +
                         ": a line FROM ${BASE_IMAGE} would take it");
        }
        return args;
    }

    // -- names

    /// The commit as CI names it, else the checkout's; the first custom tag.
    void identify(Session& session) {
        sha_ = session.environment().get("GITHUB_SHA").value_or("");
        if (sha_.empty()) {
            sha_ = build::find_git_facts(settings_.root, session.environment(), session.run()).sha;
        }
        if (sha_.empty()) {
            sha_ = "unknown";
            session.note("the commit is not known: neither GITHUB_SHA nor git names one");
        }
        sha_ = sha_.substr(0, kContextShortSha);
        const bool agent_server = build::is_agent_server(settings_);
        tag_ = settings_.tags && !settings_.tags->empty() ? settings_.tags->front()
               : agent_server                             ? "python"
                                                          : "latest";
    }

    [[nodiscard]] std::string file_name(const Session& session) const {
        if (!output_name_.empty()) {
            return output_name_;
        }
        const auto given = session.environment().get("OUTPUT_NAME");
        return given ? *given : settings_.name + "-" + sha_ + "-" + tag_in_file_name(tag_) + ".tar.gz";
    }

    [[nodiscard]] std::filesystem::path directory(const Session& session) const {
        return !output_directory_.empty() ? output_directory_
                                          : session.environment().get("OUTPUT_DIR").value_or(kContextDefaultDirectory);
    }

    [[nodiscard]] bool cleans(const Session& session) const {
        const auto given = session.environment().get("CLEAN_OUTPUT");
        return !no_clean_ && (!given || equals_ignoring_case(*given, "true"));
    }

    // -- the context

    /// What earlier runs wrote into the tree is no part of it.
    build::ContextOptions options_for(const Session& session, const std::string& dockerfile) const {
        auto options = build::context_options(settings_, dockerfile);
        const auto root = std::filesystem::weakly_canonical(settings_.root);
        const auto below = std::filesystem::weakly_canonical(directory(session)).lexically_relative(root).string();
        if (below == ".") {
            options.ignore.emplace_back(".cooper-context");
            options.ignore.push_back(pattern_of_path(file_name(session)));
        } else if (!below.empty() && below != ".." && !below.starts_with("../")) {
            options.ignore.push_back(pattern_of_path(below));
        }
        return options;
    }

    void list(Session& session, const std::string& dockerfile) {
        identify(session);
        const auto context = build::BuildContext::make(options_for(session, dockerfile), session.run());
        session.finish_progress();
        if (output.json) {
            Json document;
            document["size"] = context.size();
            document["members"] = context.names();
            print_json(document);
            return;
        }
        std::string lines;
        for (const std::string& name : context.names()) {
            lines += printable(name) + "\n";
        }
        print(lines);
    }

    Made write(Session& session, const std::string& dockerfile) const {
        build::ContextDirectory directory_of_contexts(directory(session));
        std::vector<std::string> removed;
        if (cleans(session)) {
            removed = directory_of_contexts.clean(session.run());
        }
        const auto context = build::BuildContext::make(options_for(session, dockerfile), session.run());
        auto written = directory_of_contexts.write(context, file_name(session), session.run());
        return {std::move(written), context.names().size(), std::move(removed), ""};
    }

    // -- the Runtime API

    /// On request, or as build_for_runtime_api.py does it: when the environment names the API and its key.
    bool wants_upload(Session& session) const {
        const bool by_environment =
            session.environment().get("RUNTIME_API_URL") && session.environment().get("RUNTIME_API_KEY");
        if (no_upload_ || (!upload_ && !by_environment)) {
            return false;
        }
        if (!settings_.runtime_api_url || settings_.runtime_api_url->empty()) {
            throw UsageError("--upload: which Runtime API?", "--runtime-api-url URL or RUNTIME_API_URL");
        }
        if (api_.key(session.environment()).empty()) {
            throw UsageError("--upload: the Runtime API's key is not known", "RUNTIME_API_KEY or --api-key-file FILE");
        }
        if (!upload_) {
            session.note("RUNTIME_API_URL and RUNTIME_API_KEY are set: the context is built there (--no-upload: not)");
        }
        return true;
    }

    std::string build_remotely(Session& session, const std::filesystem::path& file) {
        const build::RemoteBuilder api(session.http(), api_.options(*settings_.runtime_api_url, session.environment()));
        const std::string image = name_.empty() ? default_image(api, session.run()) : name_;
        session.note("building " + image);
        return api.build(std::make_shared<FileRanged>(file), {image}, session.run());
    }

    [[nodiscard]] std::string default_image(const build::RemoteBuilder& api, const Run& run) const {
        const std::string prefix = settings_.registry_prefix ? *settings_.registry_prefix : api.registry_prefix(run);
        if (build::is_agent_server(settings_)) {
            return build::agent_server_image(prefix, sha_, tag_in_file_name(tag_));
        }
        return build::repository_of(settings_, prefix) + ":" + sha_ + "-" + tag_in_file_name(tag_);
    }

    // -- the answer

    void show(const Made& made) const {
        if (output.json) {
            Json document;
            document["file"] = made.written.file.string();
            document["size"] = made.written.size;
            document["digest"] = made.written.digest.text();
            document["members"] = made.members;
            document["removed"] = made.removed;
            if (!made.image.empty()) {
                document["image"] = made.image;
            }
            print_json(document);
            return;
        }
        print(printable(made.written.file.string()) + "\n" +
              aligned({{"size", size_text(made.written.size)},
                       {"digest", made.written.digest.text()},
                       {"members", std::to_string(made.members)},
                       {"removed", joined(made.removed)},
                       {"image", made.image}}));
    }

    std::string output_directory_;
    std::string output_name_;
    bool no_clean_ = false;
    bool list_ = false;
    bool upload_ = false;
    bool no_upload_ = false;
    std::string name_;
    ProjectFlags project_;
    RuntimeApiFlags api_;
    ConnectionFlags connection_;
    build::ImageSettings settings_;
    std::string sha_;
    std::string tag_;
};

}  // namespace

std::unique_ptr<Command> make_context_command() {
    return std::make_unique<ContextCommand>();
}

}  // namespace cooper::cli
