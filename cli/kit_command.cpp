#include "cooper/base/files.hpp"
#include "cooper/delivery/kit.hpp"

#include "command.hpp"
#include "pile_flags.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

class KitExportCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "kit export",
            .summary = "put locks and every blob that they name into one file",
            .usage = "LOCK... -o KIT.tar [--from PLACE]... [FLAGS]",
            .about =
                "A kit is all that cooper reproduce needs, with no network and years later: an OCI archive, which\n"
                "skopeo and cooper copy read, with the locks in it and each blob once. Blobs come from the places\n"
                "given, from the local store and from the registries that the locks name. LOCK.sig, where it lies\n"
                "beside LOCK, goes along. The file appears whole, after every digest agreed; the same locks give the\n"
                "same bytes.",
            .examples = {{"a delivery, for the archive",
                          "cooper kit export openhands_latest.tar.lock.json -o kit.tar --from openhands_latest.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Kit");
        line.value("-o, --output", "FILE", "the kit to write; required", file_);
        pile_.declare(line, connection_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1000);
        if (file_.empty() || file_ == "-") {
            throw UsageError("kit export: which file is the kit?", "-o KIT.tar");
        }
        Session session(output, connection_);
        std::vector<delivery::KitEntry> entries;
        for (const std::string& path : positionals) {
            entries.push_back(
                {delivery::read_lock(path), find_file(path + ".sig", delivery::kMaxLockSignature).value_or("")});
        }
        delivery::BlobPile pile(session.spool());
        pile_.fill(pile, session);
        const auto written = delivery::write_kit(
            entries, pile, file_,
            {.connections = pile_.jobs, .checksum = true, .task = std::filesystem::path(file_).filename().string()},
            session.run());
        session.finish_progress();
        report(entries, pile, written);
    }

private:
    void report(const std::vector<delivery::KitEntry>& entries, const delivery::BlobPile& pile,
                const oci::ArchiveWritten& written) const {
        if (output.json) {
            Json tarballs = Json::array();
            for (const auto& entry : entries) {
                tarballs.push_back({{"name", entry.lock.output.name},
                                    {"sha256", entry.lock.output.sha256.hex()},
                                    {"signed", !entry.signature.empty()}});
            }
            print_json({{"file", file_},
                        {"size", written.size},
                        {"sha256", written.sha256.value().hex()},
                        {"tarballs", std::move(tarballs)},
                        {"from", uses_json(pile)}});
            return;
        }
        std::vector<std::pair<std::string, std::string>> rows{
            {"file", file_}, {"size", size_text(written.size)}, {"sha256", std::string(written.sha256.value().hex())}};
        for (const auto& entry : entries) {
            rows.emplace_back("tarball", entry.lock.output.name + (entry.signature.empty() ? "" : ", signed"));
        }
        const auto uses = use_rows(pile);
        rows.insert(rows.end(), uses.begin(), uses.end());
        print(aligned(rows));
    }

    std::string file_;
    PileFlags pile_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_kit_export_command() {
    return std::make_unique<KitExportCommand>();
}

}  // namespace cooper::cli
