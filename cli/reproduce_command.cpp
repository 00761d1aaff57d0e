#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/reproduce.hpp"

#include "command.hpp"
#include "pile_flags.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

class ReproduceCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "reproduce",
            .summary = "make a tarball again from its lock, to the byte",
            .usage = "[LOCK|@NAME] [--from PLACE]... [-o FILE] [FLAGS]",
            .about =
                "Puts the tarball of LOCK together again from blobs: those of the places given, of the local store,\n"
                "and of the registries that the lock names. The file appears only when its SHA-256 is the lock's.\n"
                "Without LOCK it is the one in the kit; @NAME chooses among several. Blobs that are nowhere are all\n"
                "named, with their image and base (exit code 5). A layer whose tar alone is at hand is compressed "
                "again\n"
                "when the compressor is still the same.",
            .examples = {
                {"a year later, no network",
                 "cooper reproduce openhands_latest.tar.lock.json --from kit.tar --offline"},
                {"one of the tarballs that a kit is for",
                 "cooper reproduce @openhands_latest.tar --from kit.tar -o again.tar"},
                {"from last week's tarball and a registry", "cooper reproduce app_2.tar.lock.json --from app_1.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Tarball");
        line.value("-o, --output", "FILE", "default: the lock's name of it, here", file_);
        pile_.declare(line, connection_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 0, 1);
        Session session(output, connection_);
        delivery::BlobPile pile(session.spool());
        pile_.fill(pile, session);
        const delivery::Lock lock = choose_lock(pile, positionals.empty() ? "" : positionals[0]);
        const std::string path = file_.empty() ? default_file(lock) : file_;
        const auto written =
            delivery::reproduce(lock, pile, path, {.connections = pile_.jobs, .task = lock.output.name}, session.run());
        session.finish_progress();
        if (output.json) {
            print_json({{"file", path},
                        {"size", written.size},
                        {"sha256", lock.output.sha256.hex()},
                        {"reproduced", true},
                        {"from", uses_json(pile)}});
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows{
            {"file", path}, {"size", size_text(written.size)}, {"sha256", std::string(lock.output.sha256.hex())}};
        const auto uses = use_rows(pile);
        rows.insert(rows.end(), uses.begin(), uses.end());
        rows.emplace_back("checked", "every blob, and the SHA-256 of the lock");
        print(aligned(rows));
    }

private:
    static delivery::Lock choose_lock(const delivery::BlobPile& pile, const std::string& given) {
        if (!given.empty() && !given.starts_with('@')) {
            return delivery::read_lock(given);
        }
        const auto locks = pile.locks();
        std::vector<std::string> names;
        for (const auto& lock : locks) {
            names.push_back("@" + lock.name);
        }
        const bool only = given.empty() && locks.size() == 1;
        const auto found = only ? locks.begin() : std::find_if(locks.begin(), locks.end(), [&](const auto& lock) {
            return "@" + lock.name == given || "@" + lock.name == given + ".tar";
        });
        if (found == locks.end()) {
            throw UsageError(given.empty()   ? "reproduce: from which lock?"
                             : names.empty() ? given + ": no kit is given that would hold it"
                                             : given + ": the kit holds " + joined(names),
                             names.empty() ? "cooper reproduce LOCK, or --from KIT" : "cooper reproduce " + names[0]);
        }
        return delivery::lock_from_json(found->text, found->place + ", locks/" + found->name + ".lock.json");
    }

    /// The name comes from outside: it must not lead out of this directory.
    static std::string default_file(const delivery::Lock& lock) {
        const std::string& name = lock.output.name;
        if (name.empty() || name.starts_with('.') || delivery::safe_file_name(name) != name) {
            throw UsageError("the lock's name of the tarball, \"" + name + "\", is no plain file name", "-o FILE");
        }
        return name;
    }

    std::string file_;
    PileFlags pile_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_reproduce_command() {
    return std::make_unique<ReproduceCommand>();
}

}  // namespace cooper::cli
