#include "pile_flags.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

void PileFlags::declare(CommandLine& line, ConnectionFlags& connection) {
    line.values("--from", "PLACE", "a kit, an older tarball, an OCI layout or archive; repeatable, asked in order",
                from);
    line.toggle("--offline", "no network at all; default: registries for blobs that are nowhere else", offline);
    line.parsed("--jobs", "N", "blobs read at once; default: 4", jobs,
                [](std::string_view text) { return parse_count(text, 1, 64); });
    connection.declare_registry(line);
    line.heading("Store");
    connection.store.declare(line);
    connection.declare_network(line);
}

void PileFlags::fill(delivery::BlobPile& pile, Session& session) const {
    for (const std::string& place : from) {
        pile.add_place(place, session.run());
    }
    if (const oci::Store* store = session.places().store; store != nullptr) {
        pile.add_store(*store);
    }
    if (!offline) {
        pile.add_registries([&session]() -> oci::RegistryClient& { return session.registry(); });
    }
}

std::vector<std::pair<std::string, std::string>> use_rows(const delivery::BlobPile& pile) {
    std::vector<std::pair<std::string, std::string>> rows;
    for (const auto& use : pile.uses()) {
        rows.emplace_back("from", use.place + ": " + std::to_string(use.blobs) +
                                      (use.blobs == 1 ? " layer, " : " layers, ") + size_text(use.bytes));
    }
    return rows;
}

Json uses_json(const delivery::BlobPile& pile) {
    Json uses = Json::array();
    for (const auto& use : pile.uses()) {
        uses.push_back({{"place", use.place}, {"blobs", use.blobs}, {"bytes", use.bytes}});
    }
    return uses;
}

}  // namespace cooper::cli
