// One LTE cell: every user downloads, or uploads, one file over UDP; prints when each one ends.
//
// Compile: g++ -O2 -std=c++17 cell.cc -o cell $(pkg-config --cflags --libs
//     ns3-lte ns3-internet ns3-applications ns3-point-to-point ns3-mobility)
// Output, one line a user: index, distance in m, seconds from the start of all files to its last byte.

#include "ns3/applications-module.h"
#include "ns3/core-module.h"
#include "ns3/internet-module.h"
#include "ns3/lte-module.h"
#include "ns3/mobility-module.h"
#include "ns3/network-module.h"
#include "ns3/point-to-point-module.h"

#include <cmath>
#include <iostream>
#include <sstream>
#include <vector>

using namespace ns3;

namespace
{

constexpr double kStart = 1.0;        // s, when every user has attached
constexpr uint32_t kPacket = 1400;    // B of UDP payload
constexpr uint16_t kPort = 4000;

struct Users
{
    uint64_t wanted;                  // B
    std::vector<uint64_t> got;
    std::vector<double> end;
    ApplicationContainer reminders;   // one for each user, if any

    void Receive(size_t user, Ptr<const Packet> packet, const Address&)
    {
        got[user] += packet->GetSize();
        if (std::isnan(end[user]) && got[user] >= wanted)
        {
            end[user] = Simulator::Now().GetSeconds() - kStart;
            if (user < reminders.GetN())
            {
                reminders.Get(user)->SetAttribute("MaxPackets", UintegerValue(1));
            }
            for (double each : end)
            {
                if (std::isnan(each))
                {
                    return;
                }
            }
            Simulator::Stop();
        }
    }
};

} // namespace

int main(int argc, char** argv)
{
    std::string distances = "500";
    std::string scheduler = "PfFfMacScheduler";
    double megabits = 8;
    double limit = 100;
    bool uplink = false;
    std::string cqi = "PUSCH_UL_CQI";
    CommandLine command;
    command.AddValue("distances", "m, one for each user, with commas between", distances);
    command.AddValue("scheduler", "PfFfMacScheduler or RrFfMacScheduler", scheduler);
    command.AddValue("megabits", "size of each file", megabits);
    command.AddValue("limit", "simulated seconds after which the program gives up", limit);
    command.AddValue("uplink", "whether users upload, with all their power", uplink);
    command.AddValue("cqi", "PUSCH_UL_CQI or SRS_UL_CQI: what the uplink's schemes follow", cqi);
    command.Parse(argc, argv);

    std::vector<double> places;
    std::stringstream list(distances);
    for (std::string each; std::getline(list, each, ',');)
    {
        places.push_back(std::stod(each));
    }

    Config::SetDefault("ns3::LteEnbRrc::EpsBearerToRlcMapping", EnumValue(LteEnbRrc::RLC_UM_ALWAYS));
    Config::SetDefault("ns3::LteEnbRrc::SrsPeriodicity", UintegerValue(80));
    Config::SetDefault("ns3::LteRlcUm::MaxTxBufferSize", UintegerValue(1 << 30));
    Config::SetDefault("ns3::LteEnbPhy::TxPower", DoubleValue(46));
    Config::SetDefault("ns3::LteUePhy::NoiseFigure", DoubleValue(9));
    // With power control, and an aim that nobody reaches, users spread 23 dBm over the blocks that
    // they hold. Without, over all of the band.
    Config::SetDefault("ns3::LteUePhy::EnableUplinkPowerControl", BooleanValue(true));
    Config::SetDefault("ns3::LteUePowerControl::ClosedLoop", BooleanValue(false));
    Config::SetDefault("ns3::LteUePowerControl::PoNominalPusch", IntegerValue(24));
    Config::SetDefault("ns3::LteEnbPhy::NoiseFigure", DoubleValue(5));

    Ptr<LteHelper> lte = CreateObject<LteHelper>();
    Ptr<PointToPointEpcHelper> core = CreateObject<PointToPointEpcHelper>();
    lte->SetEpcHelper(core);
    lte->SetSchedulerType("ns3::" + scheduler);
    lte->SetSchedulerAttribute("UlCqiFilter", EnumValue(cqi == "PUSCH_UL_CQI" ? FfMacScheduler::PUSCH_UL_CQI
                                                                             : FfMacScheduler::SRS_UL_CQI));
    lte->SetAttribute("PathlossModel", StringValue("ns3::LogDistancePropagationLossModel"));
    lte->SetPathlossModelAttribute("Exponent", DoubleValue(3.76));
    lte->SetPathlossModelAttribute("ReferenceDistance", DoubleValue(1));
    lte->SetPathlossModelAttribute("ReferenceLoss", DoubleValue(15.3));
    lte->SetEnbDeviceAttribute("DlBandwidth", UintegerValue(100));
    lte->SetEnbDeviceAttribute("UlBandwidth", UintegerValue(100));

    NodeContainer stations(1);
    NodeContainer devices(places.size());
    Ptr<ListPositionAllocator> where = CreateObject<ListPositionAllocator>();
    where->Add(Vector(0, 0, 25));
    for (double place : places)
    {
        where->Add(Vector(place, 0, 1.5));
    }
    MobilityHelper mobility;
    mobility.SetMobilityModel("ns3::ConstantPositionMobilityModel");
    mobility.SetPositionAllocator(where);
    mobility.Install(stations);
    mobility.Install(devices);

    NodeContainer server(1);
    InternetStackHelper internet;
    internet.Install(server);
    internet.Install(devices);
    PointToPointHelper wire;
    wire.SetDeviceAttribute("DataRate", DataRateValue(DataRate("100Gb/s")));
    wire.SetDeviceAttribute("Mtu", UintegerValue(1500));
    wire.SetChannelAttribute("Delay", TimeValue(MilliSeconds(1)));
    wire.SetQueue("ns3::DropTailQueue", "MaxSize", StringValue("10000000p"));
    NetDeviceContainer ends = wire.Install(core->GetPgwNode(), server.Get(0));
    Ipv4AddressHelper addresses("1.0.0.0", "255.0.0.0");
    Ipv4InterfaceContainer wired = addresses.Assign(ends);
    Ipv4StaticRoutingHelper routing;
    routing.GetStaticRouting(server.Get(0)->GetObject<Ipv4>())
        ->AddNetworkRouteTo(Ipv4Address("7.0.0.0"), Ipv4Mask("255.0.0.0"), 1);

    NetDeviceContainer cells = lte->InstallEnbDevice(stations);
    NetDeviceContainer radios = lte->InstallUeDevice(devices);
    Ipv4InterfaceContainer own = core->AssignUeIpv4Address(radios);
    for (uint32_t user = 0; user < devices.GetN(); ++user)
    {
        routing.GetStaticRouting(devices.Get(user)->GetObject<Ipv4>())
            ->SetDefaultRoute(core->GetUeDefaultGatewayAddress(), 1);
        lte->Attach(radios.Get(user), cells.Get(0));
    }

    Users users;
    uint32_t packets = std::ceil(megabits * 1e6 / 8 / kPacket);
    users.wanted = uint64_t(packets) * kPacket;
    users.got.assign(places.size(), 0);
    users.end.assign(places.size(), std::nan(""));
    for (size_t user = 0; user < places.size(); ++user)
    {
        uint16_t port = kPort + user;
        Ptr<Node> from = uplink ? devices.Get(user) : server.Get(0);
        Ptr<Node> to = uplink ? server.Get(0) : devices.Get(user);
        UdpClientHelper source(uplink ? wired.GetAddress(1) : own.GetAddress(user), port);
        source.SetAttribute("PacketSize", UintegerValue(kPacket));
        source.SetAttribute("MaxPackets", UintegerValue(packets));
        source.SetAttribute("Interval", TimeValue(MicroSeconds(56))); // 200 Mbit/s
        source.Install(from).Start(Seconds(kStart));
        if (uplink)
        {
            // A user tells of at most 150 kB that wait, when a packet is new or after 10 ms of silence
            // of its scheduler: without these a fast one would pause for 18 ms after each 150 kB.
            UdpClientHelper reminder(wired.GetAddress(1), kPort - 1);
            reminder.SetAttribute("PacketSize", UintegerValue(12));
            reminder.SetAttribute("MaxPackets", UintegerValue(1 << 30));
            reminder.SetAttribute("Interval", TimeValue(MilliSeconds(15)));
            users.reminders.Add(reminder.Install(from));
            users.reminders.Get(user)->SetStartTime(Seconds(kStart));
        }
        PacketSinkHelper sink("ns3::UdpSocketFactory", InetSocketAddress(Ipv4Address::GetAny(), port));
        ApplicationContainer application = sink.Install(to);
        application.Start(Seconds(0));
        application.Get(0)->TraceConnectWithoutContext(
            "Rx", MakeCallback(&Users::Receive, &users).Bind(user));
    }

    Simulator::Stop(Seconds(kStart + limit));
    Simulator::Run();
    for (size_t user = 0; user < places.size(); ++user)
    {
        std::cout << user << "," << places[user] << "," << users.end[user] << "\n";
    }
    Simulator::Destroy();
    return 0;
}
