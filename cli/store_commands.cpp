#include "cooper/base/text.hpp"
#include "cooper/build/build_directory.hpp"
#include "cooper/oci/reference.hpp"
#include "cooper/oci/store.hpp"

#include "command.hpp"
#include "session.hpp"
#include "store_flags.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <optional>

namespace cooper::cli {

namespace {

/// What the verbs of the store share: --store, and a store that nobody has made yet is an empty one.
class StoreCommand : public Command {
public:
    void run(const std::vector<std::string>& positionals) override {
        check(positionals);
        const auto directory = store_.resolve(Environment::process());
        if (!directory) {
            throw UsageError("there is no home directory to have a store in", "--store DIR names one");
        }
        builds = *directory / "build";
        if (is_about_builds()) {
            become_builder();
        }
        Session session(output, connection_);
        std::error_code ignored;
        if (std::filesystem::exists(*directory, ignored)) {
            store.emplace(*directory);
        } else {
            session.note("there is no store at " + directory->string() + " yet");
        }
        path = directory->string();
        work(session, positionals);
    }

protected:
    virtual void check(const std::vector<std::string>& positionals) { expect_positionals(positionals, 0, 0); }
    virtual void work(Session& session, const std::vector<std::string>& positionals) = 0;

    /// Looks into what builds keep.
    [[nodiscard]] virtual bool is_about_builds() const { return false; }

    void declare_store(CommandLine& line) {
        line.heading("Store");
        store_.declare_directory(line);
        output.declare(line);
    }

    std::optional<oci::Store> store;  ///< nullopt: it does not exist
    std::string path;
    std::filesystem::path builds;

private:
    /// What an ordinary user's builds made belongs to ids that are his in their namespace only. Before any thread.
    void become_builder() const {
        std::error_code absent;
        if (geteuid() != 0 && std::filesystem::is_directory(builds, absent)) {
            static_cast<void>(build::confine_process({std::nullopt, builds}));
        }
    }

    StoreFlags store_;
    ConnectionFlags connection_;
};

std::string counted(std::uint64_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string count_and_size(std::uint64_t count, std::uint64_t bytes) {
    return counted(count, "blob") + ", " + size_text(bytes);
}

Json json_of(const build::BuildUsage& usage) {
    return {{"layers", usage.layers.layers},
            {"layer_bytes", usage.layers.bytes},
            {"mounts", usage.mounts.mounts},
            {"mount_bytes", usage.mounts.bytes},
            {"steps", usage.steps}};
}

std::string text_of(const build::BuildUsage& usage) {
    return counted(usage.layers.layers, "unpacked layer") + ", " + size_text(usage.layers.bytes) + "; " +
           counted(usage.mounts.mounts, "cache mount") + ", " + size_text(usage.mounts.bytes);
}

std::vector<std::string> platform_texts(const oci::Store::Named& named) {
    std::vector<std::string> texts;
    for (const oci::Platform& platform : named.platforms) {
        texts.push_back(platform.text());
    }
    return texts;
}

/// "docker.io/library/debian:12" for "debian:12"; what is none (a digest, @N) as it is.
std::string full_name(const std::string& text) {
    if (Digest::try_parse(text)) {
        return text;
    }
    try {
        const auto reference = oci::Reference::parse(text);
        const auto tag = reference.effective_tag();
        return tag ? reference.with_tag(*tag).text() : reference.text();
    } catch (const Error&) {
        return text;
    }
}

class StoreLsCommand final : public StoreCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "store ls",
                .summary = "list the images in the local store",
                .usage = "[--json] [FLAGS]",
                .about =
                    "Lists the names in the store with what they take up there; layers that images share count for\n"
                    "each. \"incomplete\" are images of which something was lost: the next pull fetches it again.",
                .examples = {{"all images", "cooper store ls"},
                             {"use one without the network", "cooper copy store:debian:12 oci-archive:debian.tar"}}};
    }

    void declare(CommandLine& line) override { declare_store(line); }

private:
    void work(Session& session, const std::vector<std::string>&) override {
        const auto all = store ? store->names(session.run()) : std::vector<oci::Store::Named>{};
        session.finish_progress();
        if (output.json) {
            Json images = Json::array();
            for (const auto& named : all) {
                images.push_back({{"name", named.name},
                                  {"digest", named.root.digest.text()},
                                  {"media_type", named.root.media_type},
                                  {"bytes", named.bytes},
                                  {"missing", named.missing},
                                  {"platforms", platform_texts(named)},
                                  {"last_used", format_rfc3339(named.last_used)}});
            }
            return print_json({{"store", path}, {"images", std::move(images)}});
        }
        std::size_t width = 0;
        for (const auto& named : all) {
            width = std::max(width, printable(named.name).size());
        }
        std::string out;
        for (const auto& named : all) {
            const std::string name = printable(named.name);
            const std::string size = format_bytes(named.bytes);
            out += name + std::string(width - name.size() + 2, ' ') + named.root.digest.shortened() + "  " +
                   std::string(9 - std::min<std::size_t>(size.size(), 9), ' ') + size + "  " +
                   format_changelog(named.last_used) + "  " + printable(joined(platform_texts(named))) +
                   (named.missing > 0 ? "  incomplete" : "") + "\n";
        }
        print(out);
    }
};

class StoreDuCommand final : public StoreCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "store du",
            .summary = "show what the local store takes up",
            .usage = "[--json] [FLAGS]",
            .about =
                "Counts each blob once. What is unreferenced goes with the next cooper store gc. Builds keep layers\n"
                "unpacked, and the directories of their cache mounts.",
            .examples = {{"in bytes, for scripts", "cooper store du --json | jq .bytes"}}};
    }

    void declare(CommandLine& line) override { declare_store(line); }

private:
    [[nodiscard]] bool is_about_builds() const override { return true; }

    void work(Session& session, const std::vector<std::string>&) override {
        const auto usage = store ? store->usage(session.run()) : oci::Store::Usage{};
        const build::BuildUsage built = build::build_usage(builds, session.run());
        session.finish_progress();
        if (output.json) {
            return print_json({{"store", path},
                               {"blobs", usage.blobs},
                               {"bytes", usage.bytes},
                               {"unreferenced_blobs", usage.unreferenced_blobs},
                               {"unreferenced_bytes", usage.unreferenced_bytes},
                               {"partial_bytes", usage.partial_bytes},
                               {"other_bytes", usage.other_bytes},
                               {"builds", json_of(built)}});
        }
        print(aligned({{"store", path},
                       {"content", count_and_size(usage.blobs, usage.bytes)},
                       {"unreferenced", count_and_size(usage.unreferenced_blobs, usage.unreferenced_bytes)},
                       {"partial", size_text(usage.partial_bytes)},
                       {"memories", size_text(usage.other_bytes)},
                       {"builds", text_of(built) + "; " + counted(built.steps, "step")}}));
    }
};

class StoreGcCommand final : public StoreCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "store gc",
            .summary = "remove what no image in the local store needs",
            .usage = "[--max-size SIZE] [--max-age TIME] [FLAGS]",
            .about =
                "Removes blobs that no name in the store needs, what interrupted runs left, and old memories. With a\n"
                "limit, names go as well: those that were not used for longest first. What builds keep (unpacked\n"
                "layers, cache mounts) goes by the same limits and before any name; steps whose layers are gone go in\n"
                "any case. What a running cooper counts on stays.",
            .examples = {{"keep a build machine's store at 20 GB", "cooper store gc --max-size 20G"},
                         {"images of the last month only", "cooper store gc --max-age 30d --dry-run"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("What goes");
        line.parsed("--max-size", "SIZE", "drop names and what builds keep until it is this small: 500M, 20G, 20Gi",
                    options_.max_bytes, parse_size);
        line.parsed("--max-age", "TIME", "drop names and what builds keep that were not used for so long: 12h, 30d",
                    options_.max_age, parse_duration);
        line.parsed("--grace", "TIME", "keep what was never named for so long; default: 1h", options_.grace,
                    parse_duration);
        line.toggle("--dry-run", "say what would go, change nothing", options_.dry_run);
        declare_store(line);
    }

private:
    [[nodiscard]] bool is_about_builds() const override { return true; }

    /// Layers and mounts first, as they are made again without a network; then names and blobs; then the steps whose
    /// layers are in neither.
    build::BuildUsage collect(oci::Store::Collected& collected, const Run& run) {
        if (!store) {
            return {};
        }
        std::optional<std::uint64_t> for_builds;
        if (options_.max_bytes) {
            const std::uint64_t blobs = store->usage(run).bytes;
            for_builds = *options_.max_bytes - std::min(*options_.max_bytes, blobs);
        }
        build::BuildUsage gone = build::collect_builds(builds, {options_.max_age, for_builds, options_.dry_run}, run);
        oci::Store::GcOptions of_names = options_;
        if (options_.max_bytes) {
            const std::uint64_t kept = build::build_usage(builds, run).bytes() - (options_.dry_run ? gone.bytes() : 0);
            of_names.max_bytes = *options_.max_bytes - std::min(*options_.max_bytes, kept);
        }
        collected = store->gc(of_names, run);
        gone.steps = build::collect_steps(builds, *store, options_.max_age, options_.dry_run, run);
        return gone;
    }

    void work(Session& session, const std::vector<std::string>&) override {
        oci::Store::Collected collected;
        const build::BuildUsage built = collect(collected, session.run());
        session.finish_progress();
        if (output.json) {
            return print_json({{"store", path},
                               {"dry_run", options_.dry_run},
                               {"blobs", collected.blobs},
                               {"bytes", collected.bytes},
                               {"names", collected.names},
                               {"in_use", collected.in_use},
                               {"builds", json_of(built)}});
        }
        for (const std::string& name : collected.names) {
            print(printable(name) + "\n");
        }
        const std::string removed = options_.dry_run ? " would be removed" : " removed";
        session.note(count_and_size(collected.blobs, collected.bytes) + removed);
        if (built.bytes() > 0 || built.layers.layers + built.mounts.mounts + built.steps > 0) {
            session.note(text_of(built) + "; " + counted(built.steps, "step") + removed);
        }
        if (collected.in_use) {
            session.note("other processes use the store: what they count on stayed");
        }
    }

    oci::Store::GcOptions options_;
};

class StoreVerifyCommand final : public StoreCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "store verify",
                .summary = "read all of the local store and check every digest",
                .usage = "[--remove-damaged] [FLAGS]",
                .about =
                    "Reads every blob and compares it with its digest, on all cores. Ends with exit code 11 when\n"
                    "something is damaged or was lost, and names it with the images that need it. Blobs are also\n"
                    "checked whenever they are used; this is for finding out beforehand.",
                .examples = {{"after a power loss", "cooper store verify --remove-damaged"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Repair");
        line.toggle("--remove-damaged", "remove what is damaged, so that the next pull fetches it again (exit code 0)",
                    remove_damaged_);
        declare_store(line);
    }

private:
    void work(Session& session, const std::vector<std::string>&) override {
        const auto verified = store ? store->verify(remove_damaged_, session.run()) : oci::Store::Verified{};
        session.finish_progress();
        if (output.json) {
            print_json({{"store", path},
                        {"blobs", verified.blobs},
                        {"bytes", verified.bytes},
                        {"damaged", findings(verified.damaged)},
                        {"missing", findings(verified.missing)},
                        {"removed", remove_damaged_}});
        } else {
            print(lines(verified.damaged) + lines(verified.missing));
        }
        const std::string found =
            counted(verified.damaged.size(), "damaged blob") + ", " + counted(verified.missing.size(), "lost blob");
        if (verified.damaged.empty() && verified.missing.empty()) {
            session.note(count_and_size(verified.blobs, verified.bytes) + " read: all right");
        } else if (remove_damaged_) {
            session.note(found + "; the next pull fetches them again");
        } else {
            exit_code = kExitStoreDamaged;
            session.warn(found + "; cooper store verify --remove-damaged, then pull the images again");
        }
    }

    static Json findings(const std::vector<oci::Store::Damaged>& damaged) {
        Json all = Json::array();
        for (const auto& each : damaged) {
            all.push_back({{"path", each.path.string()}, {"why", each.why}, {"images", each.images}});
        }
        return all;
    }

    static std::string lines(const std::vector<oci::Store::Damaged>& damaged) {
        std::string out;
        for (const auto& each : damaged) {
            out += printable(each.path.string() + ": " + each.why +
                             (each.images.empty() ? "" : " (" + joined(each.images) + ")")) +
                   "\n";
        }
        return out;
    }

    bool remove_damaged_ = false;
};

class StoreRmCommand final : public StoreCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "store rm",
                .summary = "remove images from the local store by name",
                .usage = "NAME... [FLAGS]",
                .about = "Removes names; what they alone needed goes with the next cooper store gc.",
                .examples = {{"one image", "cooper store rm debian:12"},
                             {"by digest, with all its names", "cooper store rm sha256:…"}}};
    }

    void declare(CommandLine& line) override { declare_store(line); }

private:
    void check(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, positionals.size());
    }

    void work(Session& session, const std::vector<std::string>& positionals) override {
        std::vector<std::string> removed;
        for (const std::string& given : positionals) {
            const std::string full = full_name(given);
            if (!store || !store->remove(given, session.run())) {
                Error error(ErrorCode::NotFound, "the store " + path + " has no image " + full);
                error.advise("cooper store ls shows what it has");
                throw error;
            }
            removed.push_back(full);
        }
        session.finish_progress();
        if (output.json) {
            return print_json({{"store", path}, {"removed", removed}});
        }
        for (const std::string& name : removed) {
            print(printable(name) + "\n");
        }
    }
};

}  // namespace

std::unique_ptr<Command> make_store_ls_command() {
    return std::make_unique<StoreLsCommand>();
}
std::unique_ptr<Command> make_store_du_command() {
    return std::make_unique<StoreDuCommand>();
}
std::unique_ptr<Command> make_store_gc_command() {
    return std::make_unique<StoreGcCommand>();
}
std::unique_ptr<Command> make_store_verify_command() {
    return std::make_unique<StoreVerifyCommand>();
}
std::unique_ptr<Command> make_store_rm_command() {
    return std::make_unique<StoreRmCommand>();
}

}  // namespace cooper::cli
