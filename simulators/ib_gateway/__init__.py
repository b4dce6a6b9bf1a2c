"""An IB Gateway with a market behind it: it speaks the TWS API protocol at server version 176."""
