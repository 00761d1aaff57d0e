#include "command.hpp"
#include "image_argument.hpp"
#include "transfer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::cli {

namespace {

class PushCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "push",
            .summary = "send an image to a registry",
            .usage = "SOURCE NAME:TAG... [FLAGS]",
            .about =
                "SOURCE is a file (docker-archive or oci-archive), a directory with an OCI layout, - for an archive "
                "on\n"
                "standard input, or any place that cooper copy takes. Several names of one repository are several "
                "tags;\n"
                "other repositories get their own copy, with what they share mounted. A push that was cut goes on "
                "where\n"
                "the registry stopped; blobs that are there are not sent.",
            .examples = {{"a tarball", "cooper push app.tar registry.example/team/app:1.3"},
                         {"two tags of what the engine has",
                          "cooper push docker-daemon:app:dev registry.example/app:1.3 registry.example/app:latest"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Image");
        flags_.declare_platforms(line);
        connection_.declare_places(line);
        connection_.declare_network(line);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 100);
        flags_.check();
        const oci::PlaceName from = parse_source(positionals[0]);
        std::vector<oci::PlaceName> destinations;
        for (auto text = positionals.begin() + 1; text != positionals.end(); ++text) {
            destinations.push_back(parse_destination(*text));
            if (destinations.back().kind != oci::PlaceName::Kind::Registry) {
                throw UsageError(*text + " is no registry", "cooper copy " + positionals[0] + " " + *text);
            }
        }
        std::vector<oci::PlaceName> all = destinations;
        all.push_back(from);
        check_one_login(connection_, all);

        Session session(output, connection_);
        std::vector<oci::OpenedPlace> opened{
            oci::open_place(from, flags_.platform, flags_.all_platforms, session.places(), session.run())};
        for (const Target& target : targets_of(destinations)) {
            flags_.write.names = target.tags;
            flags_.write.task = target.place.text();
            const auto written = oci::write_place(target.place, opened, flags_.write, session.places(), session.run());
            reports_.push_back({target.place, written});
            opened[0].repositories.push_back(*target.place.reference);  // the next one mounts from here
        }
        session.finish_progress();
        report(opened);
    }

private:
    struct Target {
        oci::PlaceName place;
        std::vector<oci::Reference> tags;  // besides the place's own
    };

    /// One push per repository.
    static std::vector<Target> targets_of(const std::vector<oci::PlaceName>& destinations) {
        std::vector<Target> targets;
        for (const oci::PlaceName& place : destinations) {
            const auto same = std::find_if(targets.begin(), targets.end(), [&](const Target& target) {
                return target.place.reference->repository() == place.reference->repository();
            });
            if (same == targets.end()) {
                targets.push_back({place, {}});
            } else {
                same->tags.push_back(*place.reference);
            }
        }
        return targets;
    }

    void report(const std::vector<oci::OpenedPlace>& from) const {
        Json pushed = Json::array();
        std::string text;
        for (const auto& [place, written] : reports_) {
            pushed.push_back(transfer_json(place, from, written));
            text += transfer_text(place, written);
        }
        if (output.json) {
            print_json({{"pushed", std::move(pushed)}});
        } else {
            print(text);
        }
    }

    TransferFlags flags_;
    ConnectionFlags connection_;
    std::vector<std::pair<oci::PlaceName, oci::WrittenPlace>> reports_;
};

}  // namespace

std::unique_ptr<Command> make_push_command() {
    return std::make_unique<PushCommand>();
}

}  // namespace cooper::cli
