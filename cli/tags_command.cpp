#include "cooper/base/files.hpp"
#include "cooper/build/source_hash.hpp"
#include "cooper/build/tree.hpp"
#include "cooper/delivery/keys.hpp"

#include "command.hpp"
#include "github_output.hpp"
#include "project_flags.hpp"
#include "session.hpp"
#include "tags_flags.hpp"
#include "tags_report.hpp"

namespace cooper::cli {

namespace {

constexpr std::size_t kMaxRecord = 256U << 20;  // a million files with long names

build::TagRecord read_record(const std::string& file) {
    return build::parse_tag_record(read_file(file, kMaxRecord), file);
}

class TagsCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "tags",
            .summary = "name an image by what is in it, or by git",
            .usage = "[--git] [FLAGS] | --explain OLD.json [NEW.json]",
            .about =
                "Three tags from the content: source (all of it), lock (base image and dependencies), versioned (base\n"
                "image and version). The same content has the same tags, so what exists need not be built: --find "
                "asks.\n"
                "Profiles: cooper (default: sound, SHA-256), v0 and v1 (tags of OpenHands' runtime and hash_utils, "
                "byte\n"
                "for byte), sdk (build.py). With --git: from commit, branch, version tag or pull request instead.",
            .examples = {
                {"source, lock and versioned tag of a tree",
                 "cooper tags --base ubuntu:22.04 --version 1.0.0 --source src --lock-file uv.lock"},
                {"the tags that OpenHands' hash_utils makes",
                 "cooper tags --profile v1 --base ubuntu:22.04 --version 1.0.0 --source openhands --suffix=-dev"},
                {"build or reuse, and on what",
                 "cooper tags --base ubuntu:22.04 --version 1.0.0 --find ghcr.io/acme/runtime"},
                {"why the tag is another one today",
                 "cooper tags --base ubuntu:22.04 --version 1.0.0 --explain last-build.json"},
                {"in GitHub Actions", "cooper tags --git --image ghcr.io/acme/app --github-output"}}};
    }

    void declare(CommandLine& line) override {
        flags_.declare(line);
        connection_.declare_registry(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, flags_.explain.empty() ? 0 : 1);
        flags_.check(!positionals.empty());
        if (!positionals.empty()) {
            show(compared(read_record(flags_.explain), read_record(positionals[0])), Environment::process());
            return;
        }
        Session session(output, connection_);
        const TagsReport report = answer(session);
        session.finish_progress();
        show(report, session.environment());
    }

private:
    TagsReport answer(Session& session) {
        if (flags_.require_match) {
            as_usage("--require-match", [&] { build::require_match(facts(session), version()); });
        }
        if (flags_.from_git()) {
            return from_git(session);
        }
        if (flags_.profile_name() == "sdk") {
            return from_sdk(session);
        }
        const build::HashTags tags = hash_tags(session);
        if (!flags_.record.empty()) {
            write_file(flags_.record, build::to_json(tags.record));
        }
        if (!flags_.explain.empty()) {
            return compared(read_record(flags_.explain), tags.record);
        }
        TagsReport report =
            report_of(tags, flags_.images.empty() && !flags_.find.empty() ? std::vector{flags_.find} : flags_.images);
        if (!flags_.find.empty()) {
            add_decision(report, decide(session, tags));
        }
        return report;
    }

    static TagsReport compared(const build::TagRecord& before, const build::TagRecord& after) {
        return report_of(before, after, build::compare(before, after));
    }

    // -- from content

    build::HashTags hash_tags(Session& session) {
        return flags_.profile_name() == kDefaultProfile ? cooper_tags(session) : compatible_tags(session);
    }

    build::HashTags cooper_tags(Session& session) {
        build::TagInputs inputs;
        inputs.version = version();
        inputs.base = flags_.base;
        pin_base(session);
        inputs.base_digest = base_digest_;
        if (flags_.platform) {
            inputs.platform = *flags_.platform;
        }
        inputs.target = flags_.target;
        for (const std::string& text : flags_.build_args) {
            inputs.build_args.push_back(parse_build_arg(text, session.environment()));
        }
        inputs.recipes = flags_.recipes;
        inputs.lock_files = flags_.lock_files;
        inputs.extra_dependencies = flags_.extra_dependencies;
        inputs.root = flags_.root;
        inputs.sources = flags_.sources;
        inputs.ignore = flags_.ignore;
        inputs.default_ignore = !flags_.no_default_ignore;
        inputs.dockerignore = !flags_.no_dockerignore;
        inputs.suffix = flags_.suffix;
        inputs.cache_directory = cache(session);
        return build::cooper_tags(inputs, session.run());
    }

    /// What the base's name means now. Asked for once, so that the tags and the build that follows agree on it.
    void pin_base(Session& session) {
        if (flags_.base == "scratch") {
            return;
        }
        const auto reference = as_usage("--base", [&] { return oci::Reference::parse(flags_.base); });
        base_digest_ =
            reference.digest() ? *reference.digest() : session.registry().manifest(reference, session.run()).raw.digest;
        pinned_base_ = reference.with_digest(*base_digest_).familiar();
    }

    build::HashTags compatible_tags(Session& session) {
        const bool v0 = flags_.profile_name() == "v0";
        if (flags_.sources.size() > 1 || (flags_.sources.empty() && !v0)) {
            throw UsageError("--profile " + flags_.profile_name() + " takes one --source");
        }
        const std::filesystem::path root(flags_.root);
        // "." has a parent too, and a symlink at the end would be a cycle to the originals, which never meet one.
        const auto source = std::filesystem::weakly_canonical(flags_.sources.empty() ? root : root / flags_.sources[0]);
        build::CompatibleInputs inputs;
        inputs.lock.base_image = flags_.base;
        inputs.lock.enable_browser = !flags_.no_browser;
        inputs.lock.root = v0 ? source : root;
        inputs.lock.extra_files = flags_.lock_files;
        inputs.source = source;
        inputs.suffix = flags_.suffix;
        inputs.runtime_repository = session.environment().get("OH_RUNTIME_RUNTIME_IMAGE_REPO");
        inputs.cache_directory = cache(session);
        if (v0 && flags_.version.empty() && flags_.version_file.empty()) {
            inputs.version = build::find_project_version(source.parent_path(), source).value_or("unknown");
            return build::v0_tags(inputs, session.run());
        }
        inputs.version = version();
        return v0 ? build::v0_tags(inputs, session.run()) : build::v1_tags(inputs, session.run());
    }

    [[nodiscard]] std::string version() const {
        if (!flags_.version_file.empty()) {
            std::string version = build::read_version_file(flags_.version_file);
            return version.starts_with('v') ? version.substr(1) : version;
        }
        if (flags_.version.empty()) {
            throw UsageError("tags: which version?", "--version 1.2.3 or --version-file VERSION");
        }
        return flags_.version;
    }

    std::filesystem::path cache(const Session& session) const {
        return flags_.no_cache ? std::filesystem::path() : build::default_tree_cache(session.environment());
    }

    build::ReuseDecision decide(Session& session, const build::HashTags& tags) {
        const auto name = [&](const std::string& tag) { return flags_.find + ":" + tag; };
        build::ImageNames names{name(tags.source),
                                name(tags.lock),
                                name(tags.versioned),
                                pinned_base_.empty() ? flags_.base : pinned_base_,
                                {}};
        for (const std::string& tag : flags_.more_tags) {
            as_usage("--tag", [&] { build::check_tag(tag, tag); });
            names.custom.push_back(name(tag));
        }
        as_usage("--find", [&] { return oci::Reference::parse(names.source); });
        build::RegistryLookup registry(session.registry());
        return build::decide_reuse(names, flags_.reuse, registry, session.run());
    }

    // -- from git

    const build::GitFacts& facts(const Session& session) {
        if (facts_) {
            return *facts_;
        }
        facts_ = build::find_git_facts(flags_.root, session.environment(), session.run());
        if (!flags_.sha.empty()) {
            as_usage("--sha", [&] { delivery::check_commit(flags_.sha); });
            facts_ = build::with_commit(*std::move(facts_), flags_.sha);
        }
        if (!flags_.ref.empty()) {
            facts_ = build::with_ref(*std::move(facts_), flags_.ref);
        }
        return *facts_;
    }

    TagsReport from_git(Session& session) {
        build::GitTagOptions options = flags_.git_options;
        options.images = flags_.images;
        options.suffix = flags_.suffix;
        options.extra_tags = flags_.more_tags;
        options.arch = flags_.arch;
        options.target = flags_.target;
        return as_usage("", [&] {
            const build::GitFacts& known = facts(session);
            const auto tags = flags_.dialect == "build.sh" ? build::build_sh_tags(known, options)
                                                           : build::metadata_tags(known, options);
            if (tags.tags.empty()) {
                throw Error(ErrorCode::NotFound,
                            "there is nothing to make tags of: " +
                                (known.why_unknown.empty() ? "no commit, branch or tag is known" : known.why_unknown))
                    .advise("run it in a checkout (--root DIR), or give --sha and --ref");
            }
            if (known.ref.starts_with("refs/tags/")) {
                session.note((tags.latest ? "latest: " : "not latest: ") + tags.latest_reason);
            }
            return report_of(tags);
        });
    }

    TagsReport from_sdk(Session& session) {
        const build::GitFacts& known = facts(session);
        const auto first_known = [](const std::optional<std::string>& first, const std::string& second) {
            return first ? *first : second.empty() ? std::string("unknown") : second;
        };
        const Environment& environment = session.environment();
        build::SdkTagOptions options;
        options.base_image = flags_.base;
        for (const std::string& tag : flags_.more_tags) {
            options.custom_tags += (options.custom_tags.empty() ? "" : ",") + tag;
        }
        if (flags_.images.size() > 1) {
            throw UsageError("--profile sdk takes one --image");
        }
        options.image = flags_.images.empty() ? options.image : flags_.images[0];
        options.target = flags_.target.empty() ? options.target : flags_.target;
        options.arch = flags_.arch.empty() ? std::nullopt : std::optional(flags_.arch);
        options.include_base_tag = !flags_.no_base_tag;
        options.include_versioned_tag = flags_.versioned_tags;
        options.git_sha = first_known(flags_.sha.empty() ? environment.get("SDK_SHA") : std::nullopt, known.sha);
        options.git_ref = first_known(flags_.ref.empty() ? environment.get("SDK_REF") : std::nullopt, known.ref);
        options.sdk_version = flags_.version.empty() && flags_.version_file.empty() ? "unknown" : version();
        return as_usage("", [&] {
            const build::SdkTags tags = build::sdk_tags(options);
            build::check_sdk_tags(tags);
            return report_of(tags);
        });
    }

    void show(const TagsReport& report, const Environment& environment) const {
        if (flags_.github_output) {
            write_github_output(environment, report.outputs);
        }
        if (output.json) {
            print_json(report.json);
        } else {
            print(report.lines);
        }
    }

    TagsFlags flags_;
    std::optional<build::GitFacts> facts_;
    std::optional<Digest> base_digest_;
    std::string pinned_base_;  // NAME@DIGEST; empty: as it was given
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_tags_command() {
    return std::make_unique<TagsCommand>();
}

}  // namespace cooper::cli
