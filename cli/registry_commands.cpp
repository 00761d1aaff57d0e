// What a repository holds and what leaves it: list-tags, referrers, delete.
#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

/// A name in a registry, with or without docker://. Throws UsageError.
oci::Reference parse_reference(std::string_view text) {
    constexpr std::string_view kTransport = "docker://";
    if (text.starts_with(kTransport)) {
        text.remove_prefix(kTransport.size());
    }
    try {
        return oci::Reference::parse(text);
    } catch (const Error& error) {
        throw UsageError(error.what());
    }
}

class ListTagsCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "list-tags",
                .summary = "list the tags of a repository",
                .usage = "REPOSITORY [FLAGS]",
                .about = "Prints all tags, sorted, one on a line.",
                .examples = {{"the newest of a series", "cooper list-tags registry.example/app | sort -V | tail -1"}}};
    }

    void declare(CommandLine& line) override {
        connection_.declare_registry(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const oci::Reference repository = parse_reference(positionals[0]);
        if (repository.tag() || repository.digest()) {
            throw UsageError("list-tags: " + positionals[0] + " is one image; give the repository alone",
                             "cooper list-tags " + repository.repository());
        }
        Session session(output, connection_);
        const std::vector<std::string> tags = session.registry().tags(repository, session.run());
        session.finish_progress();
        if (output.json) {
            return print_json({{"repository", repository.repository()}, {"tags", tags}});
        }
        std::string text;
        for (const std::string& tag : tags) {
            text += tag + "\n";
        }
        print(text);
    }

private:
    ConnectionFlags connection_;
};

class ReferrersCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "referrers",
                .summary = "list what refers to an image: signatures, SBOMs, attestations",
                .usage = "IMAGE [--artifact-type TYPE] [FLAGS]",
                .about = "Asks the registry's referrers API, or reads the tag sha256-HEX where it has none.",
                .examples = {{"SBOMs of an image",
                              "cooper referrers --artifact-type application/spdx+json registry.example/app:1"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What to list");
        line.value("--artifact-type", "TYPE", "only referrers of this type", artifact_type_);
        connection_.declare_registry(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const oci::Reference image = parse_reference(positionals[0]);
        Session session(output, connection_);
        const auto referrers = session.registry().referrers(image, artifact_type_, session.run());
        session.finish_progress();
        output.json ? print_json(json_of(image, referrers)) : print(text_of(referrers));
    }

private:
    static Json json_of(const oci::Reference& image, const std::vector<oci::Descriptor>& referrers) {
        Json list = Json::array();
        for (const oci::Descriptor& referrer : referrers) {
            list.push_back({{"digest", referrer.digest.text()},
                            {"artifact_type", referrer.artifact_type},
                            {"media_type", referrer.media_type},
                            {"size", referrer.size},
                            {"annotations", referrer.annotations}});
        }
        return {{"image", image.text()}, {"referrers", std::move(list)}};
    }

    static std::string text_of(const std::vector<oci::Descriptor>& referrers) {
        std::vector<std::pair<std::string, std::string>> rows;
        for (const oci::Descriptor& referrer : referrers) {
            rows.emplace_back(referrer.digest.text(),
                              referrer.artifact_type.empty() ? referrer.media_type : referrer.artifact_type);
        }
        return aligned(rows);
    }

    std::string artifact_type_;
    ConnectionFlags connection_;
};

class DeleteCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "delete",
            .summary = "delete a tag, or an image with all its tags, in a registry",
            .usage = "IMAGE [--manifest] [--dry-run] [FLAGS]",
            .about =
                "NAME:TAG deletes that tag alone; the image stays under its digest and other tags. NAME@DIGEST, and\n"
                "NAME:TAG with --manifest, delete the image itself: every tag that names it goes with it, and is "
                "told.\n"
                "Layers go when the registry collects its garbage. Some registries delete no tag alone, some nothing.",
            .examples = {
                {"a tag", "cooper delete registry.example/app:old"},
                {"what would go with the image", "cooper delete --manifest --dry-run registry.example/app:old"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What to delete");
        line.toggle("--manifest", "the image that the tag names, with all its tags", manifest_);
        line.toggle("--dry-run", "only tell what would be deleted", dry_run_);
        connection_.declare_registry(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        const oci::Reference image = parse_reference(positionals[0]);
        if (!image.tag() && !image.digest()) {
            throw UsageError("delete: " + positionals[0] + " names no tag: say which one, \":latest\" is not assumed",
                             "cooper delete " + positionals[0] + ":TAG");
        }
        Session session(output, connection_);
        const auto digest = session.registry().find_digest(image, session.run());
        if (!digest) {
            throw not_there(image);
        }
        if (image.digest() || manifest_) {
            delete_manifest(session, image, *digest);
        } else {
            delete_tag(session, image, *digest);
        }
    }

private:
    static Error not_there(const oci::Reference& image) {
        return {ErrorCode::NotFound, "there is no " + image.text() + " to delete, or we may not see it"};
    }

    void delete_manifest(Session& session, const oci::Reference& image, const Digest& digest) {
        const std::vector<std::string> tags = session.registry().tags_of(image, digest, session.run());
        if (!dry_run_ && !session.registry().remove(image.with_digest(digest), session.run())) {
            throw not_there(image);
        }
        session.finish_progress();
        const std::string name = image.repository() + "@" + digest.text();
        report(name, digest, tags, tags.empty() ? "no tag named it" : "with its tags " + joined(tags));
    }

    void delete_tag(Session& session, const oci::Reference& image, const Digest& digest) {
        bool stays = true;
        if (!dry_run_) {
            if (!session.registry().remove(image, session.run())) {
                throw not_there(image);
            }
            // Some registries delete the image with one of its tags.
            stays = session.registry().find_digest(image.with_digest(digest), session.run()).has_value();
        }
        session.finish_progress();
        const std::string at = image.repository() + "@" + digest.text();
        report(image.text(), digest, {*image.tag()},
               stays ? "the image stays, as " + at : "the image went with it: " + at);
    }

    void report(const std::string& name, const Digest& digest, const std::vector<std::string>& tags,
                const std::string& remark) const {
        if (output.json) {
            return print_json({{"deleted", name}, {"digest", digest.text()}, {"tags", tags}, {"dry_run", dry_run_}});
        }
        print((dry_run_ ? "would delete " : "deleted ") + name + "\n  " + remark + "\n");
    }

    bool manifest_ = false;
    bool dry_run_ = false;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_list_tags_command() {
    return std::make_unique<ListTagsCommand>();
}

std::unique_ptr<Command> make_referrers_command() {
    return std::make_unique<ReferrersCommand>();
}

std::unique_ptr<Command> make_delete_command() {
    return std::make_unique<DeleteCommand>();
}

}  // namespace cooper::cli
