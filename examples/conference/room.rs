//! The room: a session, its host, who speaks in it from files, and the door.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use examples::chance::chance;
use examples::ice::ServerArgs;
use media_mix::{Clip, Rate};
use signaling::engine::{Lateness, PcmReader, Voice};
use signaling::net::{Gateway, GatewayConfig, SessionId};
use signaling::session::{Join, ParticipantId, SessionOptions};
use token::Role;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::desk::Desk;
use crate::door::Door;
use crate::guests::{Guests, Host, Story};
use crate::load::{Heads, Load};

/// What a room is opened with.
pub(crate) struct Plan {
    pub(crate) bind: SocketAddr,
    pub(crate) advertise: Option<IpAddr>,
    pub(crate) rtp_ports: Option<RangeInclusive<u16>>,
    /// What callers with ICE share.
    pub(crate) media_port: Option<u16>,
    /// Who helps the phones that bring ICE.
    pub(crate) servers: ServerArgs,
    /// Who may call in; `None`: nobody.
    pub(crate) door: Option<Door>,
    /// How many may be in it beside the phones and the host.
    pub(crate) seats: usize,
}

/// A room that is open.
pub(crate) struct Room {
    pub(crate) desk: Desk,
    pub(crate) session: SessionId,
    /// Where phones call.
    pub(crate) address: SocketAddr,
    /// Silent and allowed to moderate; the recording is what it hears.
    pub(crate) host: ParticipantId,
    pub(crate) story: Story,
    guests: watch::Receiver<Guests>,
}

impl Room {
    /// Opens it.
    ///
    /// # Errors
    /// A line that says what failed.
    pub(crate) async fn open(plan: Plan, story: Story) -> Result<Self, String> {
        let mut config = GatewayConfig::new(plan.bind, chance());
        config.advertise = plan.advertise;
        config.shared_port = plan.media_port;
        if let Some(ports) = plan.rtp_ports {
            config.rtp_ports = ports;
        }
        config.servers = plan.servers.find(plan.bind.ip()).await?;
        if let Some(door) = &plan.door {
            door.open(&mut config);
        }
        let mut gateway = Gateway::bind(config)
            .await
            .map_err(|error| error.to_string())?;
        let address = gateway.sip_addr();
        let mut options = SessionOptions::default();
        let phones = plan.door.as_ref().map_or(0, |door| door.most);
        options.max_participants = plan.seats + phones + 1;
        let session = gateway
            .open_session("conference", options)
            .map_err(|error| error.to_string())?;
        let join = Join::new(Role::Moderator).name("host");
        let host = gateway
            .join(session, join, Voice::silent())
            .map_err(|error| error.to_string())?;
        let (tell, guests) = watch::channel(Guests::default());
        let at_the_door = Host {
            door: plan.door,
            session,
            guests: tell,
            story: story.clone(),
        };
        let desk = Desk::start(gateway, move |gateway, event| {
            at_the_door.deal(gateway, event)
        });
        Ok(Self {
            desk,
            session,
            address,
            host,
            story,
            guests,
        })
    }

    /// Seats somebody who says a clip, again and again.
    ///
    /// # Errors
    /// A line that says why not.
    pub(crate) async fn seat(&self, name: &str, clip: Clip) -> Result<ParticipantId, String> {
        let (session, join) = (self.session, Join::new(Role::Publisher).name(name));
        let joined = self
            .desk
            .with(move |gateway| gateway.join(session, join, Voice::clip(clip, true)))
            .await?;
        joined.map_err(|error| error.to_string())
    }

    /// What somebody hears from now on, at 48 kHz.
    ///
    /// # Errors
    /// A line that says why not.
    pub(crate) async fn ear(&self, who: ParticipantId) -> Result<PcmReader, String> {
        let session = self.session;
        let reader = self
            .desk
            .with(move |gateway| gateway.listen(session, who, Rate::Khz48))
            .await?;
        reader.map_err(|error| error.to_string())
    }

    /// Who called so far.
    pub(crate) fn guests(&self) -> Guests {
        self.guests.borrow().clone()
    }

    /// Waits for the guests to be so, for `patience` at most; gives them as they are then.
    pub(crate) async fn until(
        &self,
        patience: Duration,
        mut so: impl FnMut(&Guests) -> bool,
    ) -> Guests {
        let mut guests = self.guests.clone();
        let _ = tokio::time::timeout(patience, guests.wait_for(|guests| so(guests))).await;
        self.guests()
    }

    /// How the media thread fares, of a room with `simulated` among its people.
    ///
    /// # Errors
    /// When the gateway is closed.
    pub(crate) async fn load(&self, simulated: usize) -> Result<Load, String> {
        let session = self.session;
        let look = move |gateway: &mut Gateway| -> (usize, Lateness) {
            let all = gateway
                .session(session)
                .map_or(0, |session| session.participants().len());
            (all, gateway.lateness())
        };
        let (all, lateness) = self.desk.with(look).await?;
        let phones = self.guests.borrow().inside.len();
        let heads = Heads {
            all,
            phones,
            simulated,
        };
        Ok(Load::new(self.story.seconds(), heads, lateness))
    }

    /// Shows the load until the future is dropped.
    pub(crate) async fn show_load(&self, simulated: usize) {
        let screen = self.story.screen();
        let ms = if screen.is_json() { 500 } else { 200 };
        loop {
            sleep(Duration::from_millis(ms)).await;
            match self.load(simulated).await {
                Ok(load) => {
                    screen.live(&load);
                    screen.object(&load);
                }
                Err(_) => return std::future::pending().await,
            }
        }
    }
}
